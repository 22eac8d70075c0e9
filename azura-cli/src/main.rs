//! The binary `azura`: the apps that come with AzuraForge, on the command line.

fn main() -> std::process::ExitCode {
    azura_cli::run(azura_apps::builtin())
}
