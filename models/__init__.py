"""Every network of vehicle-damage and the offline path that trains, judges and promotes them."""
