package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/image"
)

// stampFile tells from what a set of images was made.
const stampFile = "made-from"

// run makes the images unless they were made from the same sources before.
func run(from sources, out string) error {
	images, err := from.images()
	if err != nil {
		return err
	}
	stamp, err := fingerprint(images)
	if err != nil {
		return err
	}
	made, err := os.ReadFile(filepath.Join(out, stampFile))
	if err == nil && string(made) == stamp {
		fmt.Println("images: up to date")
		return nil
	}
	return build(images, out, stamp)
}

// build replaces the images in out in one step.
func build(images []image.Image, out, stamp string) error {
	next := out + ".next"
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	store, err := image.NewStore(next)
	if err != nil {
		return err
	}
	for _, one := range images {
		if err := store.Add(one); err != nil {
			return err
		}
		for _, name := range one.Names {
			fmt.Println("image", name)
		}
	}
	if err := store.Close(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(next, stampFile), []byte(stamp), 0o644); err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	return os.Rename(next, out)
}

// fingerprint changes if anything does that the images are made from.
func fingerprint(images []image.Image) (string, error) {
	hash := sha256.New()
	encoder := json.NewEncoder(hash)
	for _, one := range images {
		if err := encoder.Encode(one); err != nil {
			return "", err
		}
		for _, layer := range one.Layers {
			for _, file := range layer.Files {
				if file.Source == "" {
					continue
				}
				info, err := os.Stat(file.Source)
				if err != nil {
					return "", err
				}
				fmt.Fprintln(hash, file.Source, info.Size(), info.ModTime().UnixNano(), info.Mode())
			}
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
