"""Image requests of the refine stage."""

from detailscribe.images.generate import ImageGenerator, skipped_request
from detailscribe.images.image_set import ImageRequest


def requests_from_critiques(
    records: list[dict], critiques: dict[str, dict], image_generator: ImageGenerator
) -> list[ImageRequest]:
    """One image a prompt and candidate."""
    requests = []
    for record in records:
        id, critique = record["id"], critiques[record["id"]]
        for image_set, k in image_generator.parameters["candidates"].items():
            if critique["status"] != "ok":
                requests.append(skipped_request(id, image_set, "critique", critique))
            elif k is None:
                requests.append(image_generator.from_noise(id, image_set, critique["refined_prompt"]))
            else:
                requests.append(
                    image_generator.switched(id, image_set, record["prompt"], critique["refined_prompt"], k)
                )
    return requests
