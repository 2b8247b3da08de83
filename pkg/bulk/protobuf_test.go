package bulk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
)

// encoded is a list of pods as the API server sends it.
func encoded(t testing.TB, pods int, token string) []byte {
	t.Helper()
	list := &corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, ListMeta: metav1.ListMeta{ResourceVersion: "7", Continue: token}}
	for i := range pods {
		list.Items = append(list.Items, corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: fmt.Sprintf("ns-%d", i%3), Name: fmt.Sprintf("pod-%d", i), GenerateName: "pod-", Labels: map[string]string{"a": "b"}},
			Spec:       corev1.PodSpec{NodeName: "k8s02"},
		})
	}
	var data bytes.Buffer
	if err := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme).Encode(list, &data); err != nil {
		t.Fatal(err)
	}
	return data.Bytes()
}

func TestReadList(t *testing.T) {
	for _, pods := range []int{0, 1, 5, 1000} {
		data := encoded(t, pods, "")
		for name, body := range map[string]io.Reader{"at once": bytes.NewReader(data), "byte by byte": iotest.OneByteReader(bytes.NewReader(data))} {
			t.Run(fmt.Sprintf("%d %s", pods, name), func(t *testing.T) {
				n := 0
				page, err := readList(body, func(item []byte) error {
					pod := &corev1.Pod{}
					if err := pod.Unmarshal(item); err != nil {
						return err
					}
					if pod.Name != fmt.Sprintf("pod-%d", n) || pod.Spec.NodeName != "k8s02" {
						t.Errorf("item %d is %s on %s", n, pod.Name, pod.Spec.NodeName)
					}
					n++
					return nil
				})
				if err != nil || page.Items != pods || n != pods || page.Continue != "" {
					t.Errorf("page %+v, %d items, error %v", page, n, err)
				}
			})
		}
	}
}

func TestReadListContinues(t *testing.T) {
	page, err := readList(bytes.NewReader(encoded(t, 1, "token")), func([]byte) error { return nil })
	if err != nil || page.Continue != "token" {
		t.Errorf("page %+v, error %v", page, err)
	}
}

func TestNamesOf(t *testing.T) {
	var got []string
	_, err := readList(bytes.NewReader(encoded(t, 2, "")), func(item []byte) error {
		namespace, name, err := namesOf(item)
		got = append(got, string(namespace)+"/"+string(name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"ns-0/pod-0", "ns-1/pod-1"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestReadListTruncated cuts a list at every byte: each cut is an error, none a shorter list.
func TestReadListTruncated(t *testing.T) {
	whole := encoded(t, 2, "t")
	// What stands behind the list in the envelope is not read; the list's last byte is the last "b" of
	// the last pod's content, so every cut before the end of the items must be noticed.
	end := bytes.LastIndex(whole, []byte("k8s02"))
	for cut := range end {
		if _, err := readList(bytes.NewReader(whole[:cut]), func([]byte) error { return nil }); err == nil {
			t.Errorf("cut at byte %d of %d: no error", cut, len(whole))
		}
	}
}

func TestReadListRefuses(t *testing.T) {
	tests := []struct {
		name string
		body string
		want error
	}{
		{"nothing", "", errNoProtobuf},
		{"JSON", `{"kind":"PodList"}`, errNoProtobuf},
		{"the prefix alone", magic, io.ErrUnexpectedEOF},
		{"field zero", magic + "\x02", errNoProtobuf},
		{"a group", magic + "\x0b", errNoProtobuf},
		{"an item longer than the list", magic + "\x12\x04\x12\x7f\x01\x01", errNoProtobuf},
		{"an item of 2^56 bytes", magic + "\x12\xff\xff\xff\xff\xff\xff\xff\x7f\x12\xff\xff\xff\xff\xff\xff\x7f", errNoProtobuf},
		{"a varint without end", magic + "\x12\xff", io.ErrUnexpectedEOF},
		{"metadata that is none", magic + "\x12\x03\x0a\x01\xff", io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := readList(bytes.NewReader([]byte(tt.body)), func([]byte) error { return nil }); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

func TestReadListSkipsUnknownFields(t *testing.T) {
	list := "\x18\x05" + "\x25abcd" + "\x29abcdefgh" + "\x32\x02xy" + "\x12\x01z"
	page, err := readList(bytes.NewReader([]byte(magic+"\x0a\x02ab"+"\x12"+string(rune(len(list)))+list)), func(item []byte) error {
		if string(item) != "z" {
			t.Errorf("item %q", item)
		}
		return nil
	})
	if err != nil || page.Items != 1 {
		t.Errorf("page %+v, error %v", page, err)
	}
}

func FuzzReadList(f *testing.F) {
	f.Add(encoded(f, 2, "t"))
	f.Add([]byte(magic + "\x12\x04\x12\x02\x0a\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n := 0
		page, err := readList(bytes.NewReader(data), func(item []byte) error {
			n++
			_, _, _ = namesOf(item)
			return nil
		})
		if err == nil && page.Items != n {
			t.Errorf("page %+v, %d items", page, n)
		}
	})
}
