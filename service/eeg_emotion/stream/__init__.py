"""One headset: its stream admitted, its windows assessed and scored."""
