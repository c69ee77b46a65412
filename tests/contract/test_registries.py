"""Images from a real registry on loopback, pushed there by Podman, found and pulled by what the
node has: without credentials, with Basic ones, with tokens."""

import base64
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from utsuwa.kit.clock import SystemClock
from utsuwa.kit.documents import Document
from utsuwa.model.images import ImageNotFoundError, Terms, parse_reference
from utsuwa.node.credentials import login_for
from utsuwa.node.engine.door import Door
from utsuwa.node.engine.images import EngineImages
from utsuwa.node.engine.registry import Registries
from utsuwa.node.packages import Pull
from utsuwa.testing.engine import NoPodmanError, Podman, podman
from utsuwa.testing.registry import BASIC, BEARER, OPEN, Registry, registry

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("engine")]

AUTHS = (OPEN, BASIC, BEARER)
REPOSITORY = "team/shop"


@pytest.fixture(scope="module")
def machine() -> Podman:
    try:
        return podman()
    except NoPodmanError as error:
        pytest.skip(str(error))


@pytest.fixture(params=AUTHS)
def source(request: pytest.FixtureRequest, machine: Podman, tmp_path: Path) -> Iterator[Registry]:
    """A registry that holds `team/shop:v1`, which the engine does not."""
    with registry(request.param) as found:
        push(machine, found, image=fresh(machine, tmp_path))
        yield found


def fresh(machine: Podman, directory: Path) -> str:
    """An image that nobody has seen before, as large as half a megabyte that cannot be packed."""
    (directory / "much").write_bytes(os.urandom(1 << 19))
    machine.image("dev.local/fresh:v1", directory, "/bin/sh")
    return "dev.local/fresh:v1"


def push(machine: Podman, there: Registry, tag: str = "v1", image: str = "") -> str:
    """The reference of what was pushed."""
    name = f"{there.host}/{REPOSITORY}:{tag}"
    creds = f"--creds={there.user}:{there.password}"
    machine.run("push", creds, image or machine.shell_image(), name)
    if image:
        machine.run("rmi", "--force", image)
    return name


@pytest.fixture
async def images(machine: Podman, tmp_path: Path) -> AsyncIterator[EngineImages]:
    environment = {"DOCKER_HOST": f"unix://{machine.socket}"}
    door = Door(SystemClock(), label="registries", environment=environment)
    engine = await door.engine()
    own = EngineImages(engine.wire, {"DOCKER_CONFIG": str(tmp_path)})
    yield own
    await own.close()
    await door.close()


@pytest.fixture
async def asking() -> AsyncIterator[Registries]:
    made = Registries()
    yield made
    await made.close()


def auths_of(there: Registry, password: str = "") -> tuple[Document, ...]:
    packed = base64.b64encode(f"{there.user}:{password or there.password}".encode()).decode()
    return ({there.host: {"auth": packed}},)


async def test_a_tag_is_looked_up_without_fetching_the_image(
    images: EngineImages, source: Registry
) -> None:
    """With the credentials of the pull secrets."""
    source.asked.clear()
    name = f"{source.host}/{REPOSITORY}:v1"
    found = await images.resolve(name, Terms(auths=auths_of(source)))
    assert found == f"{source.host}/{REPOSITORY}@{source.digest(REPOSITORY, 'v1')}"
    assert not any("/blobs/" in line for line in source.asked)


async def test_the_user_s_own_credentials_are_used(
    images: EngineImages, source: Registry, tmp_path: Path
) -> None:
    """Those that `docker login` has written, and what a credential helper says."""
    name = f"{source.host}/{REPOSITORY}:v1"
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths_of(source)[0]}))
    assert source.digest(REPOSITORY, "v1") in await images.resolve(name)


async def test_an_image_is_pulled_with_the_pull_secret(
    images: EngineImages, machine: Podman, source: Registry
) -> None:
    """By the digest that was looked up; how far it has come is told from the start."""
    pinned = f"{source.host}/{REPOSITORY}@{source.digest(REPOSITORY, 'v1')}"
    told: list[str] = []
    package = await images.obtain(pinned, Pull("Always", auths_of(source), told.append))
    assert package.pinned == pinned
    assert package.size > 0
    assert told
    told.clear()
    await images.obtain(pinned, Pull("Always", auths_of(source), told.append))
    assert told == []  # what a digest names never changes
    machine.run("rmi", "--force", pinned)


async def test_what_comes_slowly_says_how_far_it_has_come(
    images: EngineImages, machine: Podman, tmp_path: Path
) -> None:
    """In megabytes."""
    with registry() as there:
        name = push(machine, there, image=fresh(machine, tmp_path))
        told: list[str] = []

        def progress(text: str) -> None:
            told.append(text)
            if " of " in text:
                there.flowing.set()

        with there.hold():
            await images.obtain(name, Pull("IfNotPresent", (), progress))
    assert any(text.endswith(" MB") and " of " in text for text in told), told
    machine.run("rmi", "--force", name)


@pytest.mark.parametrize("auth", [BASIC, BEARER])
async def test_wrong_credentials_are_told_in_the_registry_s_words(
    images: EngineImages, machine: Podman, auth: str
) -> None:
    """When it is looked up, and when it is pulled."""
    with registry(auth) as there:
        name, wrong = push(machine, there), auths_of(there, "wrong")
        with pytest.raises(ImageNotFoundError, match=r"cannot be pulled: .*unauthorized"):
            await images.resolve(name, Terms(auths=wrong))
        with pytest.raises(ImageNotFoundError, match=r"cannot be pulled: .*unauthorized"):
            await images.obtain(name, Pull("Always", wrong))


async def test_a_refusal_is_told_in_the_registry_s_words(
    images: EngineImages, machine: Podman
) -> None:
    """A tag that nobody has pushed; a registry that will not serve; one that is not there."""
    with registry() as there:
        name = push(machine, there)
        with pytest.raises(ImageNotFoundError, match="manifest v2 of team/shop is unknown"):
            await images.resolve(name.replace(":v1", ":v2"))
        there.refusal = (403, "DENIED", "the quota of this team is used up")
        with pytest.raises(ImageNotFoundError, match="the quota of this team is used up"):
            await images.obtain(name, Pull())
    with pytest.raises(ImageNotFoundError, match="connection refused"):
        await images.resolve(name)


async def test_what_is_here_needs_no_registry(
    images: EngineImages, machine: Podman, tmp_path: Path
) -> None:
    """Only policy `Always` asks for something newer; `Never` does not even ask for what is not
    here."""
    with registry() as there:
        name = push(machine, there, image=fresh(machine, tmp_path))
        machine.run("pull", name)
        there.asked.clear()
        old = await images.resolve(name)
        assert there.asked == []
        push(machine, there, image=fresh(machine, tmp_path))
        assert await images.resolve(name) == old
        assert await images.resolve(name, Terms("Never")) == old
        newer = await images.resolve(name, Terms("Always"))
        assert newer.endswith(there.digest(REPOSITORY, "v1"))
        assert newer != old
        there.asked.clear()
        with pytest.raises(ImageNotFoundError, match="imagePullPolicy is Never"):
            await images.resolve(name.replace(":v1", ":v9"), Terms("Never"))
        assert there.asked == []
    assert await images.resolve(name) == old  # the registry is gone, and nobody minds
    machine.run("rmi", "--force", name)


async def test_only_what_was_pulled_for_us_is_ours_to_remove(
    images: EngineImages, machine: Podman, tmp_path: Path
) -> None:
    """Not what was built here, nor what somebody has given another name."""
    with registry() as there:
        names = []
        for tag in ("v1", "v2"):
            names.append(push(machine, there, tag, image=fresh(machine, tmp_path)))
            await images.obtain(names[-1], Pull())
        await images.obtain(machine.shell_image(), Pull())
        machine.run("tag", names[1], "dev.local/mine:v1")
        (found,) = await images.ours.held()
        assert found.name == names[0]
        assert there.digest(REPOSITORY, "v1") in found.digests
        assert await images.ours.remove(found)
        assert await images.ours.held() == []
        with pytest.raises(ImageNotFoundError, match="imagePullPolicy is Never"):
            await images.obtain(names[0], Pull("Never"))
    machine.run("rmi", "--force", "dev.local/mine:v1", names[1])


async def test_images_of_this_machine_are_looked_for_nowhere_else(images: EngineImages) -> None:
    """With the command that makes one."""
    with pytest.raises(ImageNotFoundError, match=r"podman build -t ko\.local/none:v1 DIR"):
        await images.resolve("ko.local/none:v1")


@pytest.mark.parametrize("auth", AUTHS)
async def test_a_registry_is_asked_as_it_wants_to_be(
    machine: Podman, asking: Registries, auth: str
) -> None:
    """No answer is an empty one: the engine may know better."""
    with registry(auth) as there:
        name = push(machine, there)
        login = login_for(f"{there.host}/{REPOSITORY}", auths_of(there))
        wanted = there.digest(REPOSITORY, "v1")
        assert await asking.digest(parse_reference(name), login) == wanted
        nobody = await asking.digest(parse_reference(name), None)
        assert nobody == (wanted if auth == OPEN else "")
        token = {"identitytoken": "t"}
        assert await asking.digest(parse_reference(name), token) == ""
    assert await asking.digest(parse_reference(name), login) == ""
