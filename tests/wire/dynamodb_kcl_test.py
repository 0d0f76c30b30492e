"""The lease tables of the Kinesis Client Library 1 (SDK 1) and 3 (SDK 2): tests/clients/java/leases."""

import shutil
import subprocess

import pytest

import leat_server

FOLDER = leat_server.ROOT / "tests" / "clients" / "java" / "leases"
OUTPUT = leat_server.ROOT / "build" / "java" / "leases"
CLASSPATH = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (shutil.which("mvn") and shutil.which("javac")), reason="Maven or a JDK is not installed"),
]


@pytest.fixture(scope="module")
def classpath():
    """The libraries at the versions of pom.xml, and our two programs compiled against them."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    listed = OUTPUT / "classpath"
    subprocess.run(["mvn", "-q", "-B", "-f", FOLDER / "pom.xml", CLASSPATH, f"-Dmdep.outputFile={listed}"],
                   check=True, timeout=600)
    libraries = listed.read_text().strip()
    subprocess.run(["javac", "--release", "17", "-d", OUTPUT / "classes", "-cp", libraries,
                    *(FOLDER / "src").glob("*.java")], check=True, timeout=120)
    return f"{OUTPUT / 'classes'}:{libraries}"


@pytest.mark.parametrize("version", ["1", "3"])
def test_leases(leat, classpath, version):
    done = subprocess.run(["java", "-cp", classpath, f"Leases{version}", leat.endpoint], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.startswith(f"KCL {version}: "), done.stdout
