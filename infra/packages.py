"""The packages of `infra/package`: their architecture and their zips."""

import pathlib
import struct
import sys
import zipfile

# e_machine of the ELF header (System V ABI, https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html), and the
# template's Architecture.
MACHINES = {62: "x86_64", 183: "arm64"}


class WrongPackage(Exception):
    """A package that must not be deployed, with the reason."""


def machine(binary):
    """The architecture of an ELF binary, as a value of the template's Architecture."""
    header = binary[:20]
    if len(header) < 20 or header[:4] != b"\x7fELF":
        raise WrongPackage("is not an ELF binary")
    if header[4] != 2 or header[5] != 1:
        raise WrongPackage("is not a 64-bit, little-endian ELF binary")
    (number,) = struct.unpack_from("<H", header, 18)
    try:
        return MACHINES[number]
    except KeyError:
        raise WrongPackage(f"is for the ELF machine {number}, which Lambda does not support") from None


def check(folder, architecture):
    """Rejects a function's folder whose `bootstrap` is missing or built for another machine."""
    bootstrap = pathlib.Path(folder, "bootstrap")
    try:
        with bootstrap.open("rb") as file:
            found = machine(file.read(20))
    except FileNotFoundError:
        raise WrongPackage(f"{bootstrap} is missing; run infra/package --aws {architecture}") from None
    except WrongPackage as problem:
        raise WrongPackage(f"{bootstrap} {problem}; run infra/package --aws {architecture}") from None
    if found != architecture:
        raise WrongPackage(
            f"{bootstrap} is for {found}, and Architecture is {architecture}; run infra/package --aws {architecture}"
        )


def pack(folder):
    """Creates the zip of a function's folder, beside it. The same binary always gives the same zip.

    So an unchanged function is not deployed again.
    """
    entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o100755 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    binary = (folder / "bootstrap").read_bytes()
    archive = folder.with_name(f"{folder.name}.zip")
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr(entry, binary)
    return archive, len(binary)


def main(root, architecture, *names):
    architecture = {"aarch64": "arm64"}.get(architecture, architecture)
    for name in names:
        folder = pathlib.Path(root, name)
        check(folder, architecture)
        archive, size = pack(folder)
        zipped = archive.stat().st_size
        print(f"{archive}  {architecture}, {size / 1e6:.1f} MB, zipped {zipped / 1e6:.1f} MB")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except WrongPackage as problem:
        sys.exit(f"infra/package: {problem}")
