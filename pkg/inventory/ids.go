package inventory

// The ids of findings that Load itself gives.
const (
	idRefused        = "refused"
	idTooLarge       = "too-large"
	idUndefinedChild = "undefined-child"
	idGroupLoop      = "group-loop"
)
