"""`python -m restore_cli` is `oldphoto`."""

from restore_cli.cli.main import entry

if __name__ == "__main__":
    entry()
