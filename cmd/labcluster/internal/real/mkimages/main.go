// Mkimages makes the images of the real cluster: Kubernetes' own from the programs that were built,
// the manual's from Debian's packages. It does nothing if they are up to date.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	programs := flag.String("programs", "", "folder with the programs that were built")
	labcluster := flag.String("labcluster", "", "labcluster itself, which holds the control plane's programs")
	out := flag.String("out", "", "folder for the images (an OCI image layout)")
	flag.Parse()
	if *programs == "" || *labcluster == "" || *out == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "usage: mkimages -programs DIR -labcluster FILE -out DIR")
		os.Exit(2)
	}
	if err := run(sources{programs: *programs, labcluster: *labcluster}, *out); err != nil {
		fmt.Fprintln(os.Stderr, "mkimages:", err)
		os.Exit(1)
	}
}
