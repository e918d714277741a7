"""Data sets: finding, preparing, refusing (on made-up files), and the bytes of the real ones.

Real data is found by TFDS_DATA_DIR and TFAR_DATA_DIR only; without it, its tests are skipped.
"""

import dataclasses
import functools
import hashlib
import inspect
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tfar import datasets
from tfar.datasets import source as source_lib
from tfar.datasets import uci, wine
from tfar.datasets.source import Source

SPLITS = ("train", "validation", "test")
UCI = tuple(uci.SOURCES)
WINES = RED, _ = ("wine_quality_red", "wine_quality_white")
OTHERS = (
    "binarized_mnist",
    "caltech101_silhouettes",
    "cifar10",
    "cifar10_jpeg",
    "dna_nucleotides",
    "dynamic_mnist",
    "fashion_mnist",
    "mnist",
    "mushrooms_attributes",
    "tiny_shakespeare",
    *WINES,
)


# What needs no data at all.


def test_every_data_set_is_a_documented_function():
    assert datasets.list() == sorted([*UCI, *OTHERS])
    for name in datasets.list():
        function = getattr(datasets, name)
        assert function.__name__ == name and name in datasets.__all__
        folds = ["fold", "standardized"] if name in WINES else []
        folds = ["draw"] if name == "dynamic_mnist" else folds
        assert [*inspect.signature(function).parameters] == ["split", *folds, "download"]
        returns = "float32 [N, 11]" if name in WINES else "uint8 [N, "
        returns = "A string." if name == "tiny_shakespeare" else returns
        for word in ('"train" (', returns, "ValueError", "FileNotFoundError", "http"):
            assert word in inspect.getdoc(function), (name, word)


@pytest.mark.parametrize(
    "name, total",  # rows of the sets before they were split
    [
        ("adult", 32_561),
        ("connect4", 67_557),
        ("dna", 3_186),
        ("mushrooms", 8_124),
        ("nips", 1_740),
        ("ocr_letters", 52_152),
        ("rcv1", 200_000),
        ("web", 49_749),
    ],
)
def test_split_sizes_add_up_to_the_original_sets(name, total):
    assert sum(uci.SOURCES[name].sizes.values()) == total


@pytest.mark.parametrize(
    "name, near", [("dma", "dna"), ("MNIST", "mnist"), ("mushroom", "mushrooms")]
)
def test_unknown_name_names_the_nearest(name, near):
    with pytest.raises(ValueError, match=f"no data set '{name}'.*'?{near}'?"):
        datasets.load(name, "train")


@pytest.mark.parametrize("name", datasets.list())
@pytest.mark.parametrize("split", ["valid", "train[:10]", "", None])
def test_wrong_split_names_the_splits(name, split):
    with pytest.raises(ValueError, match=f"{name} has no split .*'train', 'validation', 'test'"):
        datasets.load(name, split)


@pytest.mark.parametrize("name", WINES)
@pytest.mark.parametrize("fold", [-1, 10, 0.5, "0", None])
def test_wrong_fold(name, fold):
    with pytest.raises(ValueError, match=f"{name} has folds 0 to 9, got fold={fold!r}"):
        getattr(datasets, name)("train", fold=fold)


def test_importing_is_light():
    code = (
        "import sys, tfar.datasets as d\n"
        "d.list()\n"
        "heavy = {'tensorflow', 'tensorflow_datasets', 'keras', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    root = pathlib.Path(source_lib.__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", code], check=True, env=env, timeout=60)


# Finding and preparing, on made-up data, with no network.


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Fresh folders for prepared data, originals and home, and a network that is not there."""
    import requests

    def no_network(*args, **kwargs):
        raise requests.ConnectionError("no network in tests")

    monkeypatch.setattr(requests.Session, "request", no_network)
    for variable, name in {
        "TFDS_DATA_DIR": "tfds",
        "TFAR_DATA_DIR": "files",
        "HOME": "home",
    }.items():
        (tmp_path / name).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / name))
    return tmp_path


@pytest.fixture(scope="module")
def toy_builder():
    """Our builder with a made-up config: TFDS knows it as "toy_binary/toy"."""
    from tfar.datasets.uci_binary import UciBinary, UciBinaryConfig

    class ToyBinary(UciBinary):
        BUILDER_CONFIGS = [UciBinaryConfig(_toy_source())]

    return ToyBinary


def _toy_source(**changes):
    toy = Source(
        name="toy",
        builder="toy_binary/toy",
        sizes={"train": 50, "validation": 3, "test": 4},
        feature="x",
        shape=(6,),
        urls={"toy.npz": "https://example.org/toy.npz"},
    )
    return dataclasses.replace(toy, **changes)


@pytest.fixture
def toy(folders, toy_builder, monkeypatch):
    """Returns a function that makes the toy's Source, changed as said, the one that is in force."""

    def use(**changes):
        source = _toy_source(**changes)
        monkeypatch.setattr(toy_builder.BUILDER_CONFIGS[0], "source", source)
        return source

    return use


def _toy_arrays(seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    sizes = {"train_data": 50, "valid_data": 3, "test_data": 4}
    return {key: rng.integers(0, 2, (rows, 6)).astype(dtype) for key, rows in sizes.items()}


def _write(path, arrays):
    np.savez(path, inputsize=6, **arrays)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _prepared(folder):
    """The prepared data sets under a folder, with what an interrupted preparation would leave."""
    return [path for path in folder.rglob("*1.0.0*") if path.is_dir()]


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.bool_])
def test_prepares_reads_in_order_and_quietly(folders, toy, capsys, dtype):
    arrays = _toy_arrays(dtype=dtype)
    source = toy(sha256={"toy.npz": _write(folders / "files/toy.npz", arrays)})
    for split, key in zip(SPLITS, arrays, strict=True):
        x = source.read(split, download=False)["x"]
        assert x.dtype == np.uint8
        np.testing.assert_array_equal(x, arrays[key])
    assert "".join(capsys.readouterr()) == ""
    assert _prepared(folders) == [folders / "tfds/toy_binary/toy/1.0.0"]
    assert [path.name for path in (folders / "files").iterdir()] == ["toy.npz"]
    (folders / "files/toy.npz").unlink()  # prepared once, the original is not needed
    np.testing.assert_array_equal(source.read("train")["x"], arrays["train_data"])


def _spoil(key, value):
    return lambda arrays: {**arrays, key: value(arrays[key])}


@pytest.mark.parametrize(
    "spoil, message",
    [
        (_spoil("train_data", lambda x: x[:-1]), r"train_data has shape \(49, 6\), not \(50, 6\)"),
        (_spoil("test_data", lambda x: x[:, :-1]), r"test_data has shape \(4, 5\), not \(4, 6\)"),
        (_spoil("valid_data", lambda x: x + 0.5), "valid_data has values other than 0 and 1"),
        (_spoil("valid_data", lambda x: x * np.nan), "valid_data has values other than 0 and 1"),
        (_spoil("test_data", lambda x: x.astype(object)), "test_data cannot be read"),
        (lambda arrays: {"train_data": arrays["train_data"]}, "valid_data cannot be read"),
    ],
)
def test_refuses_a_file_that_is_not_the_published_one(folders, toy, spoil, message):
    _write(folders / "files/toy.npz", spoil(_toy_arrays()))
    with pytest.raises(ValueError, match=f"toy.npz is not the file .*{message}"):
        toy().read("train")
    assert _prepared(folders) == []


def test_refuses_what_is_no_npz_file(folders, toy):
    (folders / "files/toy.npz").write_text("<html>404</html>")
    with pytest.raises(ValueError, match=r"toy\.npz is not the file .*train_data cannot be read"):
        toy().read("train")


def test_refuses_another_checksum(folders, toy):
    sha256 = _write(folders / "files/toy.npz", _toy_arrays(seed=0))
    _write(folders / "files/toy.npz", _toy_arrays(seed=1))
    with pytest.raises(ValueError, match=f"its SHA-256 is [0-9a-f]{{64}}, not {sha256}"):
        toy(sha256={"toy.npz": sha256}).read("train")
    assert _prepared(folders) == []


def _files_to_fetch(name):
    """The file names that the error for a missing data set says to fetch."""
    with pytest.raises(FileNotFoundError) as error:
        datasets.load(name, "test", download=False)
    lines = [line for line in str(error.value).splitlines() if "wget" in line]
    return [line.rsplit("/", 1)[1] for line in lines]


def test_tfds_holds_its_own_files_to_their_checksums(folders):
    for name in _files_to_fetch("mnist"):
        (folders / "files" / name).write_bytes(b"not these")
    with pytest.raises(ValueError, match="a file of mnist is not the published one"):
        datasets.mnist("test")
    assert _prepared(folders) == []


def test_files_named_like_those_of_another_data_set_are_in_a_folder(folders):
    for name in _files_to_fetch("mnist"):
        (folders / "files" / name).write_bytes(b"of mnist")
    with pytest.raises(FileNotFoundError, match=r"-P FOLDER/fashion_mnist http.*train-images-idx3"):
        datasets.fashion_mnist("test", download=False)
    (folders / "files/fashion_mnist").mkdir()
    for name in _files_to_fetch("fashion_mnist"):
        (folders / "files/fashion_mnist" / name).write_bytes(b"not these")
    with pytest.raises(ValueError, match="a file of fashion_mnist is not the published one"):
        datasets.fashion_mnist("test", download=False)


def test_files_whose_checksums_tfds_lacks_are_held_to_ours(folders):
    (folders / "files/winequality-red.csv").write_text("not this")
    with pytest.raises(ValueError, match="a file of wine_quality_red is not the published one"):
        datasets.wine_quality_red("test")
    assert _prepared(folders) == []


def test_original_wines_come_before_a_download(folders, monkeypatch):
    rows = [[f"{10 * row + column}.5" for column in range(11)] + ["6"] for row in range(1_599)]
    lines = [";".join(row) for row in [[*wine.COLUMNS, "quality"], *rows]]
    made_up = "\n".join(lines).encode()
    (folders / "files/winequality-red.csv").write_bytes(made_up)
    known = {"winequality-red.csv": (len(made_up), hashlib.sha256(made_up).hexdigest())}
    source = dataclasses.replace(wine.SOURCES["red"], tfds_lacks=known)
    monkeypatch.setitem(wine.SOURCES, "red", source)
    x = wine._function("red", correlation="", repeated=0)("test", standardized=False)
    assert x.shape == (160, 11)
    np.testing.assert_array_equal(x[:, 0] % 10, 0.5)
    np.testing.assert_array_equal(x - x[:, :1], np.tile(np.arange(11), [160, 1]))  # in this order


def test_original_file_comes_before_a_download(folders, toy, monkeypatch):
    monkeypatch.setattr(source_lib, "_unreachable", lambda url: None)
    elsewhere, here = _toy_arrays(seed=0), _toy_arrays(seed=1)
    (folders / "web").mkdir()
    _write(folders / "web/toy.npz", elsewhere)
    source = toy(urls={"toy.npz": str(folders / "web/toy.npz")})  # TFDS "downloads" a path too

    _write(folders / "files/toy.npz", here)
    np.testing.assert_array_equal(source.read("test")["x"], here["test_data"])

    (folders / "files/toy.npz").unlink()
    monkeypatch.setenv("TFDS_DATA_DIR", str(folders / "other"))
    np.testing.assert_array_equal(source.read("test")["x"], elsewhere["test_data"])


def test_bad_download_is_not_kept(folders, toy, monkeypatch):
    monkeypatch.setattr(source_lib, "_unreachable", lambda url: None)
    (folders / "web").mkdir()
    (folders / "web/toy.npz").write_text("<html>try again later</html>")
    source = toy(urls={"toy.npz": str(folders / "web/toy.npz")})
    with pytest.raises(ValueError, match="cannot be read"):
        source.read("train")
    arrays = _toy_arrays()
    _write(folders / "web/toy.npz", arrays)
    np.testing.assert_array_equal(source.read("train")["x"], arrays["train_data"])


def test_failed_download_is_one_clear_error(folders, toy, monkeypatch):
    monkeypatch.setattr(source_lib, "_unreachable", lambda url: None)  # it breaks off later
    with pytest.raises(FileNotFoundError, match="not downloaded: no network in tests") as error:
        toy().read("train")
    assert error.value.__cause__ is None and error.value.__suppress_context__
    assert _prepared(folders) == []


@pytest.mark.parametrize("download", [True, False])
@pytest.mark.parametrize("name", ["mnist", "binarized_mnist", "dna", "rcv1"])
def test_missing_data_is_one_clear_error(folders, capfd, name, download):
    datasets_folder = {"dna": "uci_binary/dna", "rcv1": "uci_binary/rcv1"}.get(name, name)
    with pytest.raises(FileNotFoundError) as error:
        datasets.load(name, "train", download=download)
    message = str(error.value)
    assert error.value.__cause__ is None and error.value.__context__ is None
    assert f"the data set '{name}' is not on this machine" in message
    assert f"{folders}/tfds/{datasets_folder}/" in message  # where it was looked for
    assert f"{folders}/home/tensorflow_datasets/{datasets_folder}/" in message
    assert f"{folders}/files has no " in message
    assert ("not downloaded: ConnectionError at" if download else "download=False") in message
    assert "wget -P FOLDER http" in message and "export TFAR_DATA_DIR=FOLDER" in message
    assert "Retrying" not in "".join(capfd.readouterr())
    assert [*(folders / "tfds").iterdir()] == []


def test_without_tfar_data_dir_the_error_says_so(folders, monkeypatch):
    monkeypatch.delenv("TFAR_DATA_DIR")
    with pytest.raises(FileNotFoundError, match="TFAR_DATA_DIR is not set"):
        datasets.dna("train", download=False)


def test_read_only_folders(folders, toy):
    arrays = _toy_arrays()
    _write(folders / "files/toy.npz", arrays)
    for name in ("tfds", "files"):
        (folders / name).chmod(0o555)
    np.testing.assert_array_equal(toy().read("test")["x"], arrays["test_data"])
    assert _prepared(folders) == [folders / "home/tensorflow_datasets/toy_binary/toy/1.0.0"]
    assert [*(folders / "tfds").iterdir()] == []
    np.testing.assert_array_equal(toy().read("train")["x"], arrays["train_data"])  # found there


def test_nowhere_to_prepare(folders, toy):
    _write(folders / "files/toy.npz", _toy_arrays())
    for name in ("tfds", "home"):
        (folders / name).chmod(0o555)
    with pytest.raises(PermissionError, match="set TFDS_DATA_DIR to a folder that is"):
        toy().read("test")


def test_interrupted_preparation_leaves_nothing(folders, toy, toy_builder, monkeypatch):
    arrays = _toy_arrays()
    _write(folders / "files/toy.npz", arrays)

    def broken_off(self, rows):
        yield 0, {"x": rows[0]}
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(toy_builder, "_generate_examples", broken_off)
        with pytest.raises(KeyboardInterrupt):
            toy().read("train")
    assert _prepared(folders) == []
    np.testing.assert_array_equal(toy().read("train")["x"], arrays["train_data"])


def test_two_may_prepare_at_once(folders, toy, toy_builder, monkeypatch):
    arrays = _toy_arrays()
    _write(folders / "files/toy.npz", arrays)
    split_generators = toy_builder._split_generators

    def overtaken(self, dl_manager):
        monkeypatch.setattr(toy_builder, "_split_generators", split_generators)
        toy().read("test")  # another process prepares it all meanwhile
        return self._split_generators(dl_manager)

    monkeypatch.setattr(toy_builder, "_split_generators", overtaken)
    np.testing.assert_array_equal(toy().read("train")["x"], arrays["train_data"])
    assert _prepared(folders) == [folders / "tfds/toy_binary/toy/1.0.0"]


def test_prepared_data_of_another_size_is_refused(folders, toy):
    _write(folders / "files/toy.npz", _toy_arrays())
    toy().read("train")
    with pytest.raises(ValueError, match=r"shape \(4, 6\), not the published \(5, 6\)"):
        toy(sizes={"train": 50, "validation": 3, "test": 5}).read("test")


# The real data.

PINNED = {  # data set, split: mean, SHA-256 of the array's bytes
    ("binarized_mnist", "train"): (
        0.13056227040816326,
        "0804906eb23d6aedb043afb06a0c7d4cc63fd59f4fddcb85c7cd9be9742883e1",
    ),
    ("binarized_mnist", "validation"): (
        0.13112704081632653,
        "d71adae465f76e42877fc65d0862635d893e85ce4a6d98880c011f73ee956937",
    ),
    ("binarized_mnist", "test"): (
        0.13251224489795918,
        "3e41c0f6bd30b15bb9c97b856d9166f8f35808a692a8e5cf4c6086a4f78a9d29",
    ),
    ("mnist", "train"): (
        33.326185714285714,
        "0c90cd1e4b6b8b243e8a4c6814aa3fe496eb6f1dcb993ac75678670938b341a3",
    ),
    ("mnist", "validation"): (
        33.27960012755102,
        "060be6832b50a22af294f1094e2e96a461e583aa112f358901b678402c5e5ec0",
    ),
    ("mnist", "test"): (
        33.791224489795916,
        "a85d8dffc6063fb89dcbc2122651701e7bbc18837f940fc9d76df48c224558ca",
    ),
    ("fashion_mnist", "train"): (
        72.80222186224489,
        "0a8ba65008484d4904cd260c7f0385a17a7468ab1df51c36368300fa206ac2c8",
    ),
    ("fashion_mnist", "validation"): (
        73.63100408163265,
        "36c6e3dcb65f0d5f66123bdf3a6fa7839bb1198f24efa344724200bc92c0bbf0",
    ),
    ("fashion_mnist", "test"): (
        73.14656658163265,
        "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
    ),
    ("caltech101_silhouettes", "train"): (
        0.5463196864111498,
        "9d3b5adb09901a404b32b21b5fc290f4d8175c8cf3fcb27c123c63a065528cc8",
    ),
    ("caltech101_silhouettes", "validation"): (
        0.5435386168601716,
        "479aa506eda603d7417546dec62778fe4bf33298950a5156abe53b30857ebd0a",
    ),
    ("caltech101_silhouettes", "test"): (
        0.5399919720814204,
        "14f69c07ee3439db81543712d43c97761257bdd0efeb0aea56992e3d89f858b1",
    ),
    # Of the uci sets: the bytes of the original file's own arrays.
    ("dna", "train"): (
        0.25375,
        "425f2f6eb1b989bd0e41e88fd0c004bfee8c2b1b398b50a974ea0764966a30aa",
    ),
    ("dna", "validation"): (
        0.25266666666666665,
        "99063a569f2e3733e99aacc610a295ce92a604c41f102e7c5fcc67799bc96c7c",
    ),
    ("dna", "test"): (
        0.2514005995877834,
        "183aa2a8acb410c9d950e26030da5b30e3176da04b2ed2566c03565a5c3479a1",
    ),
    ("mushrooms", "train"): (
        0.1875,
        "bdc96ef5b74d908aa8f0665aad1a060c95c29e3f0140e0c004f538785e7f37f4",
    ),
    ("mushrooms", "validation"): (
        0.1875,
        "a02bb4bbe086e12738e27dca9436d43823ee5c6c6a2f684eb4eff51ebf924ecc",
    ),
    ("mushrooms", "test"): (
        0.1875,
        "02d2b76d77c88d8f7e9c4e5b6be68e16d242c5e9db55b16bea81a953c3823d3c",
    ),
    ("nips", "train"): (
        0.367805,
        "d3533784ce37bd8ca6c195160c47b7fc18447917e639781f6b9f4ceee743bf37",
    ),
    ("nips", "validation"): (
        0.36564,
        "b389c16873bbb94a617d83a5525e6be9bc9ef6d00f49621e1c8dcfed85f9ceea",
    ),
    ("nips", "test"): (
        0.3664983870967742,
        "7163c55ede1f8077131fb918de107b5782dce395e1c5b9fe33d8b82236a8ec9a",
    ),
}
LABELS = {
    ("mnist", "train"): "ca259d94e51c83719ed94b9e8d999b728964f30ba125f5b560eba5450ee4eca7",
    ("mnist", "validation"): "f00c18a8b856b41e534e12c1a148479cb0a47787dc1da532bf223da31a244148",
    ("mnist", "test"): "58b236bac2b9f39e838e65b8a6942832a40044c1da3df14e20f2f8291c6af177",
    ("fashion_mnist", "train"): "3eeac8c21626eef9a719370961716449c36a869694fc03aacb8e3daeec939cc7",
    ("fashion_mnist", "validation"): (
        "c0dc44969de73f51e3d7d2ebfaf852ab9366c879b646dcbb434504d8227f504c"
    ),
    ("fashion_mnist", "test"): "53fdd09ed9cbcd893df0e3b0af7802f2d62457de11c87273d4b4186f4992a40c",
}


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_categories_say_what_the_bits_say(split):
    bits, categories = (_load_or_skip(name, split) for name in ("dna", "dna_nucleotides"))
    again = np.eye(4, dtype=np.uint8)[categories][..., 1:]
    np.testing.assert_array_equal(again.reshape(bits.shape), bits)
    names = ("mushrooms", "mushrooms_attributes")
    bits, categories = (_load_or_skip(name, split) for name in names)
    again = [
        np.eye(size, dtype=np.uint8)[categories[:, i]]
        for i, size in enumerate((6, 4, 10, 2, 9, 2, 2, 2, 12, 2, 4, 4, 9, 9, 1, 4, 3, 5, 9, 6, 7))
    ]
    np.testing.assert_array_equal(np.concatenate(again, axis=1), bits)
    assert categories.dtype == np.uint8


def _load_or_skip(name, split):
    try:
        return datasets.load(name, split, download=False)
    except FileNotFoundError as error:
        pytest.skip(f"{str(error).splitlines()[0]}: set TFDS_DATA_DIR or TFAR_DATA_DIR")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of the test's own, so that real data is found by the environment variables only."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def _check(name, split, x, shape):
    assert x.shape == shape and x.dtype == np.uint8
    assert x.min() == 0 and x.max() == (255 if "binarized" not in name and "mnist" in name else 1)
    if (name, split) in PINNED:
        mean, sha256 = PINNED[name, split]
        assert x.mean(dtype=np.float64) == pytest.approx(mean, rel=1e-12)
        assert hashlib.sha256(x.tobytes()).hexdigest() == sha256


@pytest.mark.parametrize(
    "split, rows", [("train", 50_000), ("validation", 10_000), ("test", 10_000)]
)
def test_binarized_mnist(home, split, rows):
    _check("binarized_mnist", split, _load_or_skip("binarized_mnist", split), (rows, 28, 28, 1))


@pytest.mark.parametrize(
    "split, rows", [("train", 50_000), ("validation", 10_000), ("test", 10_000)]
)
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_mnist(home, name, split, rows):
    data = _load_or_skip(name, split)
    assert set(data) == {"x", "condition"}
    _check(name, split, data["x"], (rows, 28, 28, 1))
    labels = data["condition"]
    assert labels.shape == (rows,) and labels.dtype == np.int32
    assert hashlib.sha256(labels.tobytes()).hexdigest() == LABELS[name, split]


def test_dynamic_mnist(home):
    """Bits with the grey values as probabilities, the same for a draw and a split."""
    grey = _load_or_skip("mnist", "test")["x"] / 255
    one, again = (datasets.dynamic_mnist("test") for _ in range(2))
    assert one.dtype == np.uint8 and set(np.unique(one)) == {0, 1}
    np.testing.assert_array_equal(one, again)
    other = datasets.dynamic_mnist("test", draw=1)
    error = np.sqrt((grey * (1 - grey)).sum())
    for bits in (one, other):
        assert (bits[grey == 0] == 0).all() and (bits[grey == 1] == 1).all()
        assert abs(bits.sum() - grey.sum()) < 4 * error
    between = (grey > 0.1) & (grey < 0.9)
    differ = 2 * grey * (1 - grey)  # of two draws of a pixel
    assert (one != other)[between].mean() == pytest.approx(differ[between].mean(), abs=0.01)
    assert not np.array_equal(datasets.dynamic_mnist("validation"), one)
    with pytest.raises(ValueError, match="Expected draw to be an integer of at least 0, got -1"):
        datasets.dynamic_mnist("test", draw=-1)


def test_training_images_are_drawn_anew(home):
    _load_or_skip("mnist", "train")
    first, second = (datasets.redrawn_mnist(np.random.default_rng(k)) for k in (0, 1))
    assert first.shape == second.shape == (50_000, 28, 28, 1) and first.dtype == np.uint8
    assert 0.02 < (first != second).mean() < 0.08


def test_caltech101_silhouettes(home, monkeypatch):
    """A permutation of the images of the file, upright."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(home))  # prepared anew, from the original file
    parts = {split: _load_or_skip("caltech101_silhouettes", split) for split in SPLITS}
    for split, rows in {"train": 4_100, "validation": 2_264, "test": 2_307}.items():
        _check("caltech101_silhouettes", split, parts[split], (rows, 28, 28, 1))
    images = np.concatenate([*parts.values()])[..., 0]
    scipy_io = pytest.importorskip("scipy.io")
    path = source_lib.original("caltech101_silhouettes_28.mat")
    file = scipy_io.loadmat(path)["X"].reshape(-1, 28, 28, order="F")[
        np.random.RandomState(0).permutation(8_671)
    ]
    np.testing.assert_array_equal(images, file)
    # Faces, motorbikes and chairs are as good as symmetric between left and right, not upside down.
    assert (images != images[:, :, ::-1]).mean() < 0.8 * (images != images[:, ::-1]).mean()


def test_caltech101_silhouettes_that_is_another_or_has_no_reader(folders, monkeypatch):
    from tfar.datasets import silhouettes, silhouettes_builder

    path = folders / "files/caltech101_silhouettes_28.mat"
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"its SHA-256 is .*, not 862d0a4b"):
        datasets.caltech101_silhouettes("test")
    assert _prepared(folders) == []
    known = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}
    changed = dataclasses.replace(silhouettes.SOURCE, sha256=known)
    monkeypatch.setattr(silhouettes, "SOURCE", changed)
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.delitem(sys.modules, "scipy.io", raising=False)
    with pytest.raises(ImportError, match="MATLAB file, read by SciPy: pip install scipy"):
        silhouettes_builder.read_file(path)


def test_tiny_shakespeare(home):
    """The parts are those of nanoGPT, and together Karpathy's file."""
    parts = {split: _load_or_skip("tiny_shakespeare", split) for split in SPLITS}
    assert [len(parts[split]) for split in SPLITS] == [1_003_854, 55_770, 55_770]
    assert len(set(parts["train"])) == 65 and set("".join(parts.values())) == set(parts["train"])
    whole = hashlib.sha256("".join(parts.values()).encode()).hexdigest()
    assert whole == "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


@pytest.mark.parametrize("name", UCI)
def test_uci_binary(home, monkeypatch, name):
    monkeypatch.setenv("TFDS_DATA_DIR", str(home))  # prepared anew, from the original file
    source = uci.SOURCES[name]
    for split, rows in source.sizes.items():
        _check(name, split, _load_or_skip(name, split), (rows, *source.shape))


# As measured: rows, SHA-256 of all of them in the order of the folds' test splits, and the first.
WINE_TABLES = {
    "wine_quality_red": (
        1_599,
        "e3b15b7a1df6650ae57171dea546570e070b2464f657089dfdea876f361a4472",
        [13.2, 0.46, 0.52, 2.2, 0.071, 12.0, 35.0, 1.0006, 3.1, 0.56, 9.0],
    ),
    "wine_quality_white": (
        4_898,
        "d9ccf5cdbb62ae5b51d40ad4fdc5ae107a4910110013bdbbb76f601141bbe5d7",
        [7.2, 0.44, 0.28, 3.4, 0.048, 22.0, 112.0, 0.99188, 3.21, 0.37, 11.3],
    ),
}


@pytest.mark.parametrize("name", WINES)
def test_wine_quality_as_measured(home, name):
    rows, sha256, first = WINE_TABLES[name]
    _load_or_skip(name, "test")
    read = functools.partial(getattr(datasets, name), standardized=False)
    x = np.concatenate([read("test", fold=fold) for fold in range(10)])
    assert x.shape == (rows, 11) and x.dtype == np.float32
    np.testing.assert_array_equal(x[0], np.float32(first))
    assert hashlib.sha256(x.tobytes()).hexdigest() == sha256
    correlations = np.abs(np.corrcoef(x.T) - np.eye(11))
    repeated = len(x) - len(np.unique(x, axis=0))
    doc = inspect.getdoc(read.func)
    assert f"the largest is {correlations.max():.2f} in" in doc and correlations.max() < 0.98
    assert f"{repeated} rows are copies" in doc


def _sorted_rows(x):
    return x[np.lexsort(x.T)]


def test_wine_quality_folds(home):
    _load_or_skip(RED, "test")
    read = functools.partial(getattr(datasets, RED), standardized=False)
    parts = [read("test", fold=k) for k in range(10)]
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1 and sizes == sorted(sizes, reverse=True)
    for fold in (0, 4, 9):
        others = list(parts)
        np.testing.assert_array_equal(read("test", fold=fold), others.pop(fold))
        np.testing.assert_array_equal(read("validation", fold=fold), others.pop(fold % 9))
        # As multisets: rows repeat, so that sets of rows would say nothing of what is disjoint.
        train = read("train", fold=fold)
        np.testing.assert_array_equal(_sorted_rows(train), _sorted_rows(np.concatenate(others)))


def test_wine_quality_is_standardized_by_the_training_split(home):
    _load_or_skip(RED, "test")
    read = getattr(datasets, RED)
    for fold in (0, 9):
        train = read("train", fold=fold, standardized=False).astype(np.float64)
        for split in SPLITS:
            x = read(split, fold=fold)
            raw = read(split, fold=fold, standardized=False)
            assert x.dtype == np.float32
            np.testing.assert_allclose(x, (raw - train.mean(0)) / train.std(0), atol=1e-4)
        x = read("train", fold=fold).astype(np.float64)
        np.testing.assert_allclose(x.mean(0), 0, atol=1e-5)
        np.testing.assert_allclose(x.std(0), 1, atol=1e-5)
        assert np.abs(read("test", fold=fold).mean(0)).max() > 1e-3  # not by its own mean
    np.testing.assert_array_equal(datasets.load(RED, "train"), read("train", fold=0))


@pytest.mark.parametrize("split, rows", [("train", 4_500), ("validation", 500), ("test", 1_000)])
def test_cifar10_jpeg(split, rows):
    try:
        data = datasets.load("cifar10_jpeg", split, download=False)
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    assert data["x"].shape == (rows, 32, 32, 3) and data["x"].dtype == np.uint8
    assert data["condition"].shape == (rows,) and data["condition"].dtype == np.int32
    assert set(data["condition"]) == set(range(10))
    neighbours = np.abs(np.diff(data["x"].astype(int), axis=2)).mean()
    assert 1 < neighbours < 20 and data["x"].min() == 0 and data["x"].max() == 255  # pictures


def test_cifar10_jpeg_that_is_not_there_or_another(folders):
    with pytest.raises(FileNotFoundError, match="has no public address and is not in the folder"):
        datasets.cifar10_jpeg("test")
    (folders / "files" / "cifar10_jpeg.npz").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"cifar10_jpeg.npz: its SHA-256 is .*, not 60866bbd"):
        datasets.cifar10_jpeg("test")
