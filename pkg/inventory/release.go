package inventory

func detectRelease(string) string { return "" }
