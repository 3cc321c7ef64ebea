"""The ImageNet classifiers of `keras.applications`: what each one takes, and where its weights are.

Keras has all of this in code that needs TensorFlow, and web servers must know the sizes, too. The values are those of
Keras 3.15 (keras/src/applications); a test compares them with the Keras that is installed.
"""

from typing import NamedTuple

# MODEL=keras:NAME means one of these.
PREFIX = "keras:"
HOST = "https://storage.googleapis.com"
FOLDER = "/tensorflow/keras-applications/"
TF = "_weights_tf_dim_ordering_tf_kernels"


class WeightsFile(NamedTuple):
    """A file of weights.

    Attributes:
        name: of Keras's copy in `~/.keras/models`.
        url: from which Keras downloads it.
        checksum: its MD5 or SHA-256 in hexadecimal digits; empty where Keras knows none.
    """

    name: str
    url: str
    checksum: str


class KerasNetwork(NamedTuple):
    """A network of Keras.

    Attributes:
        size: width and height of the pictures that it takes.
        preprocess: what its `preprocess_input` does, as PREPROCESS names it.
        weights: trained on ImageNet.
    """

    size: int
    preprocess: str
    weights: WeightsFile


def keras_network(model: str) -> KerasNetwork | None:
    """Return the network that MODEL means; None where it is none of Keras's."""
    return KERAS_NETWORKS.get(model.removeprefix(PREFIX)) if model.startswith(PREFIX) else None


def _network(size: int, preprocess: str, path: str, checksum: str, name: str = "") -> KerasNetwork:
    url = HOST + (path if path.startswith("/") else FOLDER + path)
    return KerasNetwork(size, preprocess, WeightsFile(name or path.rpartition("/")[2], url, checksum))


KERAS_NETWORKS = {
    "ConvNeXtBase": _network(
        224, "none", "convnext/convnext_base.h5", "52cbb006d3dadd03f6e095a8ca1aca47aecdd75acb4bc74bce1f5c695d0086e6"
    ),
    "ConvNeXtLarge": _network(
        224, "none", "convnext/convnext_large.h5", "070c5ed9ed289581e477741d3b34beffa920db8cf590899d6d2c67fba2a198a6"
    ),
    "ConvNeXtSmall": _network(
        224, "none", "convnext/convnext_small.h5", "ce1277d8f1ee5a0ef0e171469089c18f5233860ceaf9b168049cb9263fd7483c"
    ),
    "ConvNeXtTiny": _network(
        224, "none", "convnext/convnext_tiny.h5", "8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff"
    ),
    "ConvNeXtXLarge": _network(
        224, "none", "convnext/convnext_xlarge.h5", "c1f5ccab661354fc3a79a10fa99af82f0fbf10ec65cb894a3ae0815f17a889ee"
    ),
    "DenseNet121": _network(224, "torch", f"densenet/densenet121{TF}.h5", "9d60b8095a5708f2dcce2bca79d332c7"),
    "DenseNet169": _network(224, "torch", f"densenet/densenet169{TF}.h5", "d699b8f76981ab1b30698df4c175e90b"),
    "DenseNet201": _network(224, "torch", f"densenet/densenet201{TF}.h5", "1ceb130c1ea1b78c3bf6114dbdfd8807"),
    "EfficientNetB0": _network(
        224, "none", "/keras-applications/efficientnetb0.h5", "902e53a9f72be733fc0bcb005b3ebbac"
    ),
    "EfficientNetB1": _network(
        240, "none", "/keras-applications/efficientnetb1.h5", "1d254153d4ab51201f1646940f018540"
    ),
    "EfficientNetB2": _network(
        260, "none", "/keras-applications/efficientnetb2.h5", "b15cce36ff4dcbd00b6dd88e7857a6ad"
    ),
    "EfficientNetB3": _network(
        300, "none", "/keras-applications/efficientnetb3.h5", "ffd1fdc53d0ce67064dc6a9c7960ede0"
    ),
    "EfficientNetB4": _network(
        380, "none", "/keras-applications/efficientnetb4.h5", "18c95ad55216b8f92d7e70b3a046e2fc"
    ),
    "EfficientNetB5": _network(
        456, "none", "/keras-applications/efficientnetb5.h5", "ace28f2a6363774853a83a0b21b9421a"
    ),
    "EfficientNetB6": _network(
        528, "none", "/keras-applications/efficientnetb6.h5", "165f6e37dce68623721b423839de8be5"
    ),
    "EfficientNetB7": _network(
        600, "none", "/keras-applications/efficientnetb7.h5", "8c03f828fec3ef71311cd463b6759d99"
    ),
    "EfficientNetV2B0": _network(
        224, "none", "efficientnet_v2/efficientnetv2-b0.h5", "21ecbf6da12460d5c40bb2f29ceb2188"
    ),
    "EfficientNetV2B1": _network(
        240, "none", "efficientnet_v2/efficientnetv2-b1.h5", "069f0534ff22adf035c89e2d9547a9dc"
    ),
    "EfficientNetV2B2": _network(
        260, "none", "efficientnet_v2/efficientnetv2-b2.h5", "424e49f28180edbde1e94797771950a7"
    ),
    "EfficientNetV2B3": _network(
        300, "none", "efficientnet_v2/efficientnetv2-b3.h5", "1f1fc43bd98a6e4fd8fdfd551e02c7a0"
    ),
    "EfficientNetV2L": _network(480, "none", "efficientnet_v2/efficientnetv2-l.h5", "27e6d408b53c7ebc868fefa357689935"),
    "EfficientNetV2M": _network(480, "none", "efficientnet_v2/efficientnetv2-m.h5", "a3bf6aa3276309f4fc6a34aa114c95cd"),
    "EfficientNetV2S": _network(384, "none", "efficientnet_v2/efficientnetv2-s.h5", "e1d88a8495beba45748fedd0cecbe016"),
    "InceptionResNetV2": _network(
        299, "tf", f"inception_resnet_v2/inception_resnet_v2{TF}.h5", "e693bd0210a403b3192acc6073ad2e96"
    ),
    "InceptionV3": _network(299, "tf", f"inception_v3/inception_v3{TF}.h5", "9a0d58056eeedaa3f26cb7ebd46da564"),
    "MobileNet": _network(224, "tf", "mobilenet/mobilenet_1_0_224_tf.h5", ""),
    "MobileNetV2": _network(224, "tf", f"mobilenet_v2/mobilenet_v2{TF}_1.0_224.h5", ""),
    "MobileNetV3Large": _network(
        224, "none", "mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float.h5", "59e551e166be033d707958cf9e29a6a7"
    ),
    "MobileNetV3Small": _network(
        224, "none", "mobilenet_v3/weights_mobilenet_v3_small_224_1.0_float.h5", "8768d4c2e7dee89b9d02b2d03d65d862"
    ),
    "NASNetLarge": _network(
        331, "tf", "nasnet/NASNet-large.h5", "11577c9a518f0070763c2b964a382f17", name="nasnet_large.h5"
    ),
    "NASNetMobile": _network(
        224, "tf", "nasnet/NASNet-mobile.h5", "020fb642bf7360b370c678b08e0adf61", name="nasnet_mobile.h5"
    ),
    "ResNet101": _network(224, "caffe", f"resnet/resnet101{TF}.h5", "f1aeb4b969a6efcfb50fad2f0c20cfc5"),
    "ResNet101V2": _network(224, "tf", f"resnet/resnet101v2{TF}.h5", "6343647c601c52e1368623803854d971"),
    "ResNet152": _network(224, "caffe", f"resnet/resnet152{TF}.h5", "100835be76be38e30d865e96f2aaae62"),
    "ResNet152V2": _network(224, "tf", f"resnet/resnet152v2{TF}.h5", "a49b44d1979771252814e80f8ec446f9"),
    "ResNet50": _network(224, "caffe", f"resnet/resnet50{TF}.h5", "2cb95161c43110f7111970584f804107"),
    "ResNet50V2": _network(224, "tf", f"resnet/resnet50v2{TF}.h5", "3ef43a0b657b3be2300d5770ece849e0"),
    "VGG16": _network(224, "caffe", f"vgg16/vgg16{TF}.h5", "64373286793e3c8b2b4e3219cbf3544b"),
    "VGG19": _network(224, "caffe", f"vgg19/vgg19{TF}.h5", "cbe5617147190e668d6c5d5026f83318"),
    "Xception": _network(299, "tf", f"xception/xception{TF}.h5", "0a58e3b7378bc2990ea3b43d5981f1f6"),
}
