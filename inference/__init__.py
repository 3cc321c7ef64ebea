"""From pixels to classes: networks, their weights, and the engines that compute them."""
