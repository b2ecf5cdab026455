# SPDX-License-Identifier: Apache-2.0
"""Keys and certificates as openssl makes them, each set by an authority of its own."""

import pathlib
import subprocess

DAYS = "30"


def openssl(*arguments, directory):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


class Authority:
    """Who signs; its certificate is NAME.crt in `directory`."""

    def __init__(self, directory, name="ca"):
        self.directory = pathlib.Path(directory)
        self.name = name
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", DAYS,
                "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt", directory=directory)

    @property
    def certificate(self):
        return self.directory / f"{self.name}.crt"

    def issue(self, name, alternative_names, new_key=("-newkey", "rsa:2048"), use="serverAuth,clientAuth", into=None):
        """Makes NAME.key and NAME.crt, and returns the paths of the certificate and of the key."""
        into = pathlib.Path(into or self.directory)
        request, extensions = into / f"{name}.csr", into / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternative_names}\nextendedKeyUsage={use}\n")
        openssl("req", *new_key, "-nodes", "-subj", f"/CN={name}", "-keyout", into / f"{name}.key", "-out", request,
                directory=self.directory)
        openssl("x509", "-req", "-in", request, "-days", DAYS, "-CA", f"{self.name}.crt", "-CAkey",
                f"{self.name}.key", "-CAcreateserial", "-extfile", extensions, "-out", into / f"{name}.crt",
                directory=self.directory)
        request.unlink()
        extensions.unlink()
        return into / f"{name}.crt", into / f"{name}.key"
