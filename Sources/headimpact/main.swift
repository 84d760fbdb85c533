print("headimpact")
