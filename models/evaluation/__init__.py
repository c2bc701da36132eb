"""Pure quality measures: arrays in, numbers out; each name states sample and protocol."""
