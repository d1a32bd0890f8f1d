"""The errors a user can cause, each one line: what, got, expected."""


class WakewordError(Exception):
    """A mistake in the input. The command line prints it as one line and exits with code 2."""


class ConfigError(WakewordError):
    """A configuration file that cannot be read, or a value in it that makes no sense."""


class AudioError(WakewordError):
    """A recording, a sound device or an array of samples that cannot be used."""


class FileError(WakewordError):
    """A file or folder that cannot be written, or that another run is writing."""


class BundleError(WakewordError):
    """A model folder that is missing, damaged, newer than this program, or not what its files say."""


class DataError(WakewordError):
    """A folder of clips or a dataset that cannot be trained or evaluated on."""


class ServeError(WakewordError):
    """An address that cannot be listened on, or a client's message that makes no sense."""


class MissingExtraError(WakewordError):
    """A feature whose optional packages are not installed."""

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(f"{feature} needs the package {package}: pip install 'wakeword[{extra}]'")
