"""Packages run on the machine that they are deployed to, or are not deployed."""

import pathlib
import platform
import struct
import sys
import tempfile
import unittest
import zipfile

import deployment
import packages
import sam

NUMBERS = {"x86_64": 62, "arm64": 183}


def elf(number, bits=2, order=1):
    return b"\x7fELF" + bytes([bits, order, 1]) + bytes(9) + struct.pack("<HH", 3, number) + bytes(100)


class Packages(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)

    def package(self, name, binary):
        folder = self.root / name
        folder.mkdir(parents=True)
        (folder / "bootstrap").write_bytes(binary)
        return folder

    def test_x86_64_binaries_are_refused_where_the_architecture_is_arm64_and_the_other_way_round(self):
        for built, wanted in (("x86_64", "arm64"), ("arm64", "x86_64")):
            folder = self.package(f"for-{wanted}", elf(NUMBERS[built]))
            packages.check(folder, built)
            with self.assertRaisesRegex(packages.WrongPackage, f"is for {built}, and Architecture is {wanted}"):
                packages.check(folder, wanted)

    def test_what_is_no_binary_for_lambda_is_refused(self):
        for name, binary, problem in (
            ("script", b"#!/bin/sh\necho hello, this is long enough\n", "not an ELF binary"),
            ("empty", b"", "not an ELF binary"),
            ("small", elf(62, bits=1), "64-bit"),
            ("big-endian", elf(62, order=2), "little-endian"),
            ("riscv", elf(243), "ELF machine 243"),
        ):
            with self.assertRaisesRegex(packages.WrongPackage, problem):
                packages.check(self.package(name, binary), "x86_64")
        with self.assertRaisesRegex(packages.WrongPackage, "missing; run infra/package --aws arm64"):
            packages.check(self.root / "nobody", "arm64")

    def test_a_real_binary_of_this_machine_is_known(self):
        own = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
        self.assertEqual(packages.machine(pathlib.Path(sys.executable).resolve().read_bytes()), own)

    def test_a_deploy_refuses_one_function_among_all_that_is_for_another_machine(self):
        template = sam.load()
        functions = [r for r in template["Resources"].values() if r["Type"] == "AWS::Serverless::Function"]
        for number, function in enumerate(functions):
            built = "x86_64" if number == len(functions) // 2 else "arm64"
            folder = self.package(str(number), elf(NUMBERS[built]))
            function["Properties"]["CodeUri"] = str(folder)
        wrong = functions[len(functions) // 2]["Properties"]["CodeUri"]
        with self.assertRaisesRegex(packages.WrongPackage, f"{wrong}/bootstrap is for x86_64"):
            deployment.check_packages(template, "arm64")

    def test_packages_of_this_machine_do_not_lie_where_a_deploy_takes_them_from(self):
        script = (sam.ROOT / "infra/package").read_text()
        of_this_machine, of_aws = script.split("--aws)")
        self.assertIn("folder=target/local-lambda\n", of_this_machine)
        self.assertIn("folder=target/lambda\n", of_aws)
        for resource in sam.load()["Resources"].values():
            if resource["Type"] == "AWS::Serverless::Function":
                self.assertRegex(resource["Properties"]["CodeUri"], "^target/lambda/")

    def test_the_same_binary_gives_the_same_zip(self):
        folder = self.package("a", elf(62))
        archive, size = packages.pack(folder)
        first = archive.read_bytes()
        packages.pack(folder)
        self.assertEqual((archive.read_bytes(), size), (first, len(elf(62))))
        [entry] = zipfile.ZipFile(archive).infolist()
        self.assertEqual((entry.filename, entry.external_attr >> 16), ("bootstrap", 0o100755))


if __name__ == "__main__":
    unittest.main()
