package bulk

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// magic begins every protobuf body of the API server. A message runtime.Unknown follows, whose field
// raw is the list. See https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding.
const magic = "k8s\x00"

// The fields that are read (generated.proto of apimachinery's runtime and meta/v1 packages). All lists
// share the numbers of metadata and items.
const (
	unknownRaw        protowire.Number = 2
	listMetadata      protowire.Number = 1
	listItems         protowire.Number = 2
	objectMetadata    protowire.Number = 1
	metadataName      protowire.Number = 1
	metadataNamespace protowire.Number = 3
)

// maxItem bounds one item. etcd takes requests up to 1.5 MiB unless told otherwise; more than ten times
// that is no object but a broken stream.
const maxItem = 16 << 20

// maxList bounds a whole list; it only keeps sums of lengths from overflowing.
const maxList = math.MaxInt64 / 2

// errNoProtobuf says that the body is no protobuf of Kubernetes'; something between may have changed it.
var errNoProtobuf = errors.New("the answer is no Kubernetes protobuf; does a proxy change it?")

// readList calls each with the bytes of every item of an encoded list. The bytes are valid during the
// call only.
func readList(body io.Reader, each func(item []byte) error) (Page, error) {
	r := &wireReader{buffered: bufio.NewReaderSize(body, 64<<10)}
	if err := r.expectMagic(); err != nil {
		return Page{}, err
	}
	for {
		field, kind, err := r.tag()
		if errors.Is(err, io.EOF) {
			return Page{}, io.ErrUnexpectedEOF // a body without a list
		}
		if err != nil {
			return Page{}, err
		}
		if field == unknownRaw && kind == protowire.BytesType {
			return r.list(each)
		}
		if err := r.skip(kind, maxList); err != nil {
			return Page{}, err
		}
	}
}

// wireReader reads protobuf's wire format from a stream.
type wireReader struct {
	buffered *bufio.Reader
	// read counts the bytes that were consumed.
	read int64
	item []byte
}

func (r *wireReader) expectMagic() error {
	prefix := make([]byte, len(magic))
	if _, err := io.ReadFull(r.buffered, prefix); err != nil || string(prefix) != magic {
		return errNoProtobuf
	}
	return nil
}

// list reads the list message and hands over its items.
func (r *wireReader) list(each func([]byte) error) (Page, error) {
	var page Page
	size, err := r.length(maxList)
	if err != nil {
		return page, err
	}
	for end := r.read + size; r.read < end; {
		field, kind, err := r.tag()
		if err != nil {
			return page, unexpected(err)
		}
		switch {
		case field == listItems && kind == protowire.BytesType:
			err = r.each(end-r.read, each)
			page.Items++
		case field == listMetadata && kind == protowire.BytesType:
			page.Continue, err = r.next(end - r.read)
		default:
			err = r.skip(kind, end-r.read)
		}
		if err != nil {
			return page, err
		}
	}
	return page, nil
}

func (r *wireReader) each(most int64, each func([]byte) error) error {
	item, err := r.bytes(most)
	if err != nil {
		return err
	}
	return each(item)
}

func (r *wireReader) next(most int64) (string, error) {
	data, err := r.bytes(most)
	if err != nil {
		return "", err
	}
	var meta metav1.ListMeta
	if err := meta.Unmarshal(data); err != nil {
		return "", fmt.Errorf("decoding the list's metadata: %w", err)
	}
	return meta.Continue, nil
}

// bytes reads a length and as many bytes, at most so many.
func (r *wireReader) bytes(most int64) ([]byte, error) {
	size, err := r.length(min(most, maxItem))
	if err != nil {
		return nil, err
	}
	if int64(cap(r.item)) < size {
		r.item = make([]byte, size, size*2)
	}
	r.item = r.item[:size]
	n, err := io.ReadFull(r.buffered, r.item)
	r.read += int64(n)
	return r.item, unexpected(err)
}

func (r *wireReader) tag() (protowire.Number, protowire.Type, error) {
	v, err := r.varint()
	if err != nil {
		return 0, 0, err
	}
	field, kind := protowire.DecodeTag(v)
	if field < protowire.MinValidNumber {
		return 0, 0, errNoProtobuf
	}
	return field, kind, nil
}

// length is the varint before a field of bytes.
func (r *wireReader) length(most int64) (int64, error) {
	v, err := r.varint()
	if err != nil {
		return 0, unexpected(err)
	}
	if v > uint64(most) {
		return 0, fmt.Errorf("%w (a part of %d bytes)", errNoProtobuf, v)
	}
	return int64(v), nil
}

func (r *wireReader) varint() (uint64, error) {
	counted := countingReader{r}
	return binary.ReadUvarint(counted)
}

// skip passes over a field of no interest, at most so many bytes.
func (r *wireReader) skip(kind protowire.Type, most int64) error {
	var size int64
	var err error
	switch kind {
	case protowire.VarintType:
		_, err = r.varint()
		return unexpected(err)
	case protowire.Fixed32Type:
		size = 4
	case protowire.Fixed64Type:
		size = 8
	case protowire.BytesType:
		if size, err = r.length(most); err != nil {
			return err
		}
	default:
		return errNoProtobuf
	}
	n, err := io.CopyN(io.Discard, r.buffered, size)
	r.read += n
	return unexpected(err)
}

// countingReader is the wireReader byte by byte, as binary.ReadUvarint wants it.
type countingReader struct{ *wireReader }

func (c countingReader) ReadByte() (byte, error) {
	b, err := c.buffered.ReadByte()
	if err == nil {
		c.read++
	}
	return b, err
}

// unexpected turns an end of the stream in the middle of a message into an error that says so.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// namesOf finds namespace and name in an encoded object without decoding the rest.
func namesOf(object []byte) (namespace, name []byte, err error) {
	meta, err := field(object, objectMetadata)
	if err != nil {
		return nil, nil, err
	}
	if name, err = field(meta, metadataName); err != nil {
		return nil, nil, err
	}
	if namespace, err = field(meta, metadataNamespace); err != nil {
		return nil, nil, err
	}
	return namespace, name, nil
}

// field is the first field of bytes with that number; nil if there is none.
func field(message []byte, wanted protowire.Number) ([]byte, error) {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		message = message[n:]
		if number == wanted && kind == protowire.BytesType {
			value, n := protowire.ConsumeBytes(message)
			if n < 0 {
				return nil, protowire.ParseError(n)
			}
			return value, nil
		}
		n = protowire.ConsumeFieldValue(number, kind, message)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		message = message[n:]
	}
	return nil, nil
}
