"""The Kubernetes manifests and the images of deploy/, as far as they can be checked without a cluster or a container.

    python3 -m unittest discover -s tools/deploy -p 'test_manifests.py'

MPIJob against mpijob.schema.json; Kubernetes' own kinds against the models of its Python client; what must agree
between manifests, image and program.
"""

import json
import os
import re
import shutil
import subprocess
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes.client as client
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PROGRAM = Path(os.environ.get("HEADIMPACT", ROOT / ".build/release/headimpact"))
KINDS = {"Job": "V1Job", "PersistentVolumeClaim": "V1PersistentVolumeClaim"}


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            yield f"{path.name}: {document['kind']} {document['metadata']['name']}", document


def templates(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The pods' templates of a document."""
    spec = document["spec"]
    return [replica["template"] for replica in spec["mpiReplicaSpecs"].values()] if document["kind"] == "MPIJob" else (
        [spec["template"]] if "template" in spec else [])


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, document in documents():
        for template in templates(document):
            yield name, template["spec"]


def find(kind: str) -> dict[str, Any]:
    return next(document for _, document in documents() if document["kind"] == kind)


class ManifestTests(unittest.TestCase):
    def test_the_mpi_job_follows_the_operators_schema(self) -> None:
        schema = json.loads((Path(__file__).with_name("mpijob.schema.json")).read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(find("MPIJob"), schema)

    def test_the_schema_finds_a_misspelt_field(self) -> None:
        schema = json.loads((Path(__file__).with_name("mpijob.schema.json")).read_text())
        job = find("MPIJob")
        job["spec"]["cleanPodPolicy"] = "Running"
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.validate(job, schema)

    def test_kubernetes_knows_every_field(self) -> None:
        for name, document in documents():
            with self.subTest(name):
                if document["kind"] == "MPIJob":
                    for template in templates(document):
                        client.V1PodTemplateSpec.model_validate(template)
                else:
                    getattr(client, KINDS[document["kind"]]).model_validate(document)

    def test_every_mount_has_its_volume_and_every_volume_its_claim(self) -> None:
        claims = {document["metadata"]["name"] for _, document in documents() if document["kind"] == "PersistentVolumeClaim"}
        for name, pod in pods():
            with self.subTest(name):
                volumes = {volume["name"] for volume in pod.get("volumes", [])}
                mounts = {mount["name"] for container in pod["containers"] for mount in container.get("volumeMounts", [])}
                self.assertEqual(volumes, mounts)
                used = {volume["persistentVolumeClaim"]["claimName"] for volume in pod.get("volumes", []) if "persistentVolumeClaim" in volume}
                self.assertLessEqual(used, claims)

    def test_pods_are_the_images_user_without_rights(self) -> None:
        user = int(re.search(r"^USER (\d+)$", (DEPLOY / "Dockerfile").read_text(), re.M)[1])
        for name, pod in pods():
            with self.subTest(name):
                self.assertTrue(pod["securityContext"]["runAsNonRoot"])
                self.assertEqual(user, pod["securityContext"]["runAsUser"])
                for container in pod["containers"]:
                    self.assertEqual({"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}, container["securityContext"])
                    self.assertEqual({"cpu", "memory"}, set(container["resources"]["requests"]))

    def test_the_mpi_job_agrees_with_the_image(self) -> None:
        dockerfile, job = (DEPLOY / "Dockerfile").read_text(), find("MPIJob")["spec"]
        user = re.search(r"useradd .* (\w+)$", dockerfile, re.M)[1]
        self.assertEqual(f"/home/{user}/.ssh", job["sshAuthMountPath"])
        worker = job["mpiReplicaSpecs"]["Worker"]["template"]["spec"]["containers"][0]
        port = worker["readinessProbe"]["tcpSocket"]["port"]
        for file in ("sshd_config", "ssh_config"):
            self.assertEqual([str(port)], re.findall(r"^ *Port (\d+)$", (DEPLOY / "image" / file).read_text(), re.M))
        slots = job["slotsPerWorker"]
        launcher = job["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]["containers"][0]["args"]
        self.assertIn(f"--map-by=ppr:{slots}:node", launcher)
        threads = int(next(word for word in launcher if word.startswith("--threads=")).partition("=")[2])
        self.assertEqual(slots * threads, int(worker["resources"]["limits"]["cpu"]))

    def test_the_indexed_job_makes_as_many_shards_as_it_completes(self) -> None:
        job = next(document for name, document in documents() if "shards" in name)["spec"]
        text = job["template"]["spec"]["containers"][0]["command"][-1]
        self.assertEqual(str(job["completions"]), re.search(r"--shard \S+ \+ 1\)\)/(\d+)", text)[1])

    def test_the_program_understands_its_command_lines(self) -> None:
        """Nothing is where the manifests say, so it can only fail for that (1), never for wrong usage (64)."""
        for name, pod in pods():
            container = pod["containers"][0]
            words = container["command"] + container.get("args", [])
            if "start-sshd" in words:
                continue
            if "--" in words:
                words = ["headimpact", *words[words.index("--") + 1:]]
            with self.subTest(name):
                command = [word.replace("exec headimpact", str(PROGRAM)) for word in words]
                command[0] = str(PROGRAM) if command[0] == "headimpact" else command[0]
                run = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"JOB_COMPLETION_INDEX": "0"})
                self.assertEqual(1, run.returncode, run.stderr)


class ImageFileTests(unittest.TestCase):
    def packages(self, text: str) -> list[set[str]]:
        """What each `apt-get install` of a text installs."""
        joined = text.replace("\\\n", " ")
        found = re.findall(r"apt-get install -y --no-install-recommends +([a-z0-9.+ -]+)", joined)
        return [set(names.split()) for names in found]

    def test_the_packages_are_debians(self) -> None:
        if shutil.which("apt-cache") is None or "bookworm" not in Path("/etc/os-release").read_text():
            self.skipTest("this machine isn't Debian 12, the images' system")
        names = set.union(*self.packages((DEPLOY / "Dockerfile").read_text()))
        self.assertGreater(len(names), 15)
        told = subprocess.run(["apt-cache", "show", "--no-all-versions", *sorted(names)], capture_output=True, text=True)
        self.assertEqual(names, set(re.findall(r"^Package: (\S+)$", told.stdout, re.M)), told.stderr)

    def test_what_the_image_copies_is_there(self) -> None:
        for source in re.findall(r"^COPY (deploy/\S+)", (DEPLOY / "Dockerfile").read_text(), re.M):
            self.assertTrue((ROOT / source).is_file(), source)
        # Apptainer reads one source and one destination per line, and nothing behind them.
        section = re.search(r"%files\n((?:    .*\n)+)", (DEPLOY / "headimpact.def").read_text())[1]
        for line in section.splitlines():
            source, destination = line.split()
            self.assertTrue((ROOT / source).exists(), source)
            self.assertEqual(f"/src/{source}", destination)
        # SwiftPM builds nothing, not even another target, where the folder of a target is missing.
        copied = {line.split()[0] for line in section.splitlines()}
        paths = re.findall(r'path: "([^"]+)"', (ROOT / "Package.swift").read_text())
        self.assertLess({path.split("/")[0] for path in paths}, copied)

    def test_docker_and_apptainer_install_the_same(self) -> None:
        docker = self.packages((DEPLOY / "Dockerfile").read_text())
        self.assertEqual(docker[:2], self.packages((DEPLOY / "headimpact.def").read_text()))

    def test_the_definitions_scripts_are_ones_that_bash_reads(self) -> None:
        sections = re.findall(r"^%(?:post|runscript|test|environment)\n((?:    .*\n|\n)+)", (DEPLOY / "headimpact.def").read_text(), re.M)
        self.assertEqual(5, len(sections))
        for section in sections:
            self.assertEqual("", subprocess.run(["bash", "-n"], input=section, capture_output=True, text=True).stderr)

    def test_the_program_of_this_machine_finds_its_libraries_in_the_image(self) -> None:
        if shutil.which("dpkg") is None or "bookworm" not in Path("/etc/os-release").read_text():
            self.skipTest("this machine isn't Debian 12, the images' system")
        told = subprocess.run(["readelf", "-d", PROGRAM], capture_output=True, text=True, check=True).stdout
        libraries = [name for name in re.findall(r"NEEDED.*\[(.+)\]", told) if not re.match(r"lib(swift|_?Foundation|dispatch|Blocks)", name)]
        paths = dict(re.findall(r"^\s*(\S+) \(.*\) => (\S+)$", subprocess.run(
            ["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout, re.M))
        installed = self.packages((DEPLOY / "Dockerfile").read_text())[1]
        told = subprocess.run(["dpkg-query", "-W", "-f", "${Depends}, ", *sorted(installed)], capture_output=True, text=True).stdout
        installed |= {name.split()[0] for name in told.split(",") if name.strip()} | {"libc6", "libstdc++6"}
        for library in libraries:
            path = Path(paths[library])
            told = subprocess.run(["dpkg", "-S", path.resolve(), path], capture_output=True, text=True).stdout
            packages = {line.split(":")[0] for line in told.splitlines()}
            self.assertTrue(packages & installed, f"{library} is in {packages}, which the image doesn't install")


if __name__ == "__main__":
    unittest.main()
