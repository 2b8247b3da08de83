package inventory

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxPlainDeclaration is where MarshalDeclaration begins to compress. A ConfigMap holds 1 MiB, and a
// declaration has some 1 KB a node.
const maxPlainDeclaration = 256 << 10

// maxStoredDeclaration bounds what a compressed declaration may grow to.
const maxStoredDeclaration = 256 << 20

// MarshalDeclaration returns the declaration as JSON, gzipped if it is large; 5,000 nodes then fit
// into a ConfigMap's binaryData. UnmarshalDeclaration reads both.
func MarshalDeclaration(d *Declaration) ([]byte, error) {
	plain, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("write the declaration: %w", err)
	}
	if len(plain) <= maxPlainDeclaration {
		return plain, nil
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("compress the declaration: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress the declaration: %w", err)
	}
	return packed.Bytes(), nil
}

// ErrUnknownDeclaration is wrapped by the error for stored data of a foreign or newer kind.
var ErrUnknownDeclaration = errors.New("not a declaration that this version can read")

// UnmarshalDeclaration reads what MarshalDeclaration wrote.
func UnmarshalDeclaration(data []byte) (*Declaration, error) {
	plain, err := unpack(data)
	if err != nil {
		return nil, unknownDeclaration(err.Error())
	}
	var head struct{ APIVersion, Kind string }
	if err := json.Unmarshal(plain, &head); err != nil {
		return nil, unknownDeclaration("it is not JSON")
	}
	if head.APIVersion != DeclarationAPIVersion || head.Kind != DeclarationKind {
		return nil, unknownDeclaration(fmt.Sprintf("it is of version %q and kind %q", head.APIVersion, head.Kind))
	}
	var d Declaration
	if err := json.Unmarshal(plain, &d); err != nil {
		return nil, unknownDeclaration("a field is of the wrong type")
	}
	return &d, nil
}

func unknownDeclaration(why string) error {
	return fmt.Errorf("read the stored declaration: %w: %s; save it again from the inventory", ErrUnknownDeclaration, why)
}

func unpack(data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		return data, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, errors.New("its compression is broken")
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxStoredDeclaration+1))
	if err != nil || len(plain) > maxStoredDeclaration {
		return nil, errors.New("its compression is broken, or it is too large")
	}
	return plain, nil
}
