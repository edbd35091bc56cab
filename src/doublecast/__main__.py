"""``python -m doublecast``."""

from doublecast.cli import main

if __name__ == "__main__":
    main()
