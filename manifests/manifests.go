// Package manifests holds the manifests that the programs carry with them.
package manifests

import (
	"embed"
	"io/fs"
)

//go:embed all:exercises
var files embed.FS

// Exercises is the folder of the manual's exercises.
func Exercises() (fs.FS, error) { return fs.Sub(files, "exercises") }
