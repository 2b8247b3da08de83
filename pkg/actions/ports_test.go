package actions

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestParseServicePorts(t *testing.T) {
	t.Parallel()
	number, name := intstr.FromInt32, intstr.FromString
	tests := []struct {
		words []string
		want  []corev1.ServicePort
	}{
		{[]string{"80"}, []corev1.ServicePort{{Port: 80, TargetPort: number(80), Protocol: "TCP"}}},
		{[]string{"8000:80"}, []corev1.ServicePort{{Port: 8000, TargetPort: number(80), Protocol: "TCP"}}},
		{[]string{"53/udp"}, []corev1.ServicePort{{Port: 53, TargetPort: number(53), Protocol: "UDP"}}},
		{[]string{"80:http"}, []corev1.ServicePort{{Port: 80, TargetPort: name("http"), Protocol: "TCP"}}},
		{[]string{"web:80"}, []corev1.ServicePort{{Name: "web", Port: 80, TargetPort: number(80), Protocol: "TCP"}}},
		{[]string{"web:8000:http/SCTP"}, []corev1.ServicePort{{Name: "web", Port: 8000, TargetPort: name("http"), Protocol: "SCTP"}}},
		{[]string{"53/UDP", "53", "web:65535"}, []corev1.ServicePort{
			{Name: "udp-53", Port: 53, TargetPort: number(53), Protocol: "UDP"},
			{Name: "tcp-53", Port: 53, TargetPort: number(53), Protocol: "TCP"},
			{Name: "web", Port: 65535, TargetPort: number(65535), Protocol: "TCP"},
		}},
		{nil, []corev1.ServicePort{}},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.words, ","), func(t *testing.T) {
			t.Parallel()
			got, err := ParseServicePorts("--port", test.words)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestParseServicePortsRefuses(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{
		"0":                `--port: "0": 0 is no port: ports are 1 to 65535`,
		"65536":            `--port: "65536": 65536 is no port: ports are 1 to 65535`,
		"99999999999999":   `--port: "99999999999999": 99999999999999 is no port: ports are 1 to 65535`,
		"-1":               `--port: "-1": "-1" is not a port number`,
		"":                 `--port: "": the port number is missing`,
		":80":              `--port: ":80": nothing stands before the colon; the form is ` + servicePortForm,
		"80:":              `--port: "80:": the target port behind the colon is missing; the form is ` + servicePortForm,
		"80:0":             `--port: "80:0": 0 is no port: ports are 1 to 65535`,
		"80:70000":         `--port: "80:70000": 70000 is no port: ports are 1 to 65535`,
		"http":             `--port: "http": "http" is not a port number`,
		"http:":            `--port: "http:": the port number is missing`,
		"a:b":              `--port: "a:b": "b" is not a port number`,
		"80/":              `--port: "80/": "" is not a protocol: use TCP, UDP or SCTP`,
		"80/icmp":          `--port: "80/icmp": "icmp" is not a protocol: use TCP, UDP or SCTP`,
		"80/TCP/UDP":       `--port: "80/TCP/UDP": "TCP/UDP" is not a protocol: use TCP, UDP or SCTP`,
		"1:2:3":            `--port: "1:2:3": a port has the form ` + servicePortForm,
		"web:80:http:more": `--port: "web:80:http:more": a port has the form ` + servicePortForm,
		"80:sixteen-characters": `--port: "80:sixteen-characters": "sixteen-characters" is neither a port number nor a port name: ` +
			"must be no more than 15 characters",
		"80:a--b": `--port: "80:a--b": "a--b" is neither a port number nor a port name: must not contain consecutive hyphens`,
		"8 0":     `--port: "8 0": "8 0" is not a port number`,
		"٨٠":      `--port: "٨٠": "٨٠" is not a port number`,
	} {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			_, err := ParseServicePorts("--port", []string{word})
			if err == nil || err.Error() != want {
				t.Errorf("\n got: %v\nwant: %s", err, want)
			}
		})
	}
}

func TestParseServicePortsRefusesTwins(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{
		"80 80:8080":     "--port: port 80/TCP is named twice",
		"a:80 a:81":      `--port: the port name "a" is used twice`,
		"80 tcp-80:8080": `--port: the port name "tcp-80" is used twice`,
	} {
		_, err := ParseServicePorts("--port", strings.Fields(words))
		if err == nil || err.Error() != want {
			t.Errorf("%s\n got: %v\nwant: %s", words, err, want)
		}
	}
}

func TestParseContainerPorts(t *testing.T) {
	t.Parallel()
	got, err := ParseContainerPorts("--port", []string{"80", "53/udp"})
	want := []corev1.ContainerPort{{ContainerPort: 80, Protocol: "TCP"}, {ContainerPort: 53, Protocol: "UDP"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v; -want +got:\n%s", err, diff)
	}
	for words, want := range map[string]string{
		"0":        `--port: "0": 0 is no port: ports are 1 to 65535`,
		"80:80":    `--port: "80:80": "80:80" is not a port number`,
		"80/x":     `--port: "80/x": "x" is not a protocol: use TCP, UDP or SCTP`,
		"80 80":    `--port: port 80/TCP is named twice`,
		"65536/66": `--port: "65536/66": "66" is not a protocol: use TCP, UDP or SCTP`,
	} {
		_, err := ParseContainerPorts("--port", strings.Fields(words))
		if err == nil || err.Error() != want {
			t.Errorf("%s\n got: %v\nwant: %s", words, err, want)
		}
	}
}

// FuzzParseServicePorts checks that whatever is accepted is a port that the API accepts, and reads
// the same when written out in full.
func FuzzParseServicePorts(f *testing.F) {
	for _, seed := range []string{"80", "8000:80", "web:8000:http/TCP", "80:", ":80", "0", "65536", "a:b:c:d/e", "80/UDP", "1-a:1:a-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, word string) {
		ports, err := ParseServicePorts("--port", []string{word})
		if err != nil {
			if Explain(err).Code != ExitUsage {
				t.Fatalf("%q: exit code %d", word, Explain(err).Code)
			}
			return
		}
		p := ports[0]
		if p.Port < 1 || p.Port > 65535 || p.TargetPort.Type == intstr.Int && (p.TargetPort.IntVal < 1 || p.TargetPort.IntVal > 65535) {
			t.Fatalf("%q gives %+v", word, p)
		}
		again, err := ParseServicePorts("--port", servicePortWords(ports))
		if err != nil || !slices.Equal(again, ports) {
			t.Fatalf("%q: %v, then %v (%v)", word, ports, again, err)
		}
	})
}

func servicePortWords(ports []corev1.ServicePort) []string {
	return servicePorts(&corev1.Service{Spec: corev1.ServiceSpec{Ports: ports}}, &corev1.Service{})
}

func FuzzParseContainerPorts(f *testing.F) {
	for _, seed := range []string{"80", "53/udp", "0", "65536", "80/", "/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, word string) {
		ports, err := ParseContainerPorts("--port", []string{word})
		if err == nil && (len(ports) != 1 || ports[0].ContainerPort < 1 || ports[0].ContainerPort > 65535) {
			t.Fatalf("%q gives %+v", word, ports)
		}
	})
}
