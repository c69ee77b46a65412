"""The collection of images, wired."""

from utsuwa.app.options import Layout
from utsuwa.controllers.framework import Context
from utsuwa.node.image_garbage import Book, ImageGarbage
from utsuwa.node.packages import NodeImages


async def collect_images(context: Context, images: NodeImages, layout: Layout) -> None:
    """Look now and then, for ever; by the settings as they are."""
    garbage = ImageGarbage(
        images,
        Book(layout.images / "used.json"),
        context.clock,
        lambda: context.settings.current.gc,
    )
    await garbage.run(context.informers)
