package actions

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
)

// servicePortForm is the notation of one service port, for messages.
const servicePortForm = "[NAME:]PORT[:TARGET][/PROTOCOL], such as 8000:80 or web:8000:http/TCP"

// ParseServicePorts reads the ports of a service, each of the form [NAME:]PORT[:TARGET][/PROTOCOL].
// TARGET is a container port's number or name and defaults to PORT. Several ports must have names
// (https://kubernetes.io/docs/concepts/services-networking/service/#multi-port-services); those
// without get one, such as "tcp-8000".
func ParseServicePorts(flag string, words []string) ([]corev1.ServicePort, error) {
	ports := make([]corev1.ServicePort, 0, len(words))
	for _, word := range words {
		port, err := parseServicePort(word)
		if err != nil {
			return nil, UsageErrorf("%s: %q: %s", flag, word, err)
		}
		ports = append(ports, port)
	}
	if len(ports) > 1 {
		namePorts(ports)
	}
	if err := uniquePorts(ports); err != nil {
		return nil, UsageErrorf("%s: %s", flag, err)
	}
	return ports, nil
}

func parseServicePort(word string) (corev1.ServicePort, error) {
	numbers, protocol, err := cutProtocol(word)
	if err != nil {
		return corev1.ServicePort{}, err
	}
	parts := strings.Split(numbers, ":")
	port := corev1.ServicePort{Protocol: protocol}
	if parts[0] == "" && len(parts) > 1 {
		return corev1.ServicePort{}, fmt.Errorf("nothing stands before the colon; the form is %s", servicePortForm)
	}
	if !isNumber(parts[0]) && len(parts) > 1 {
		port.Name, parts = parts[0], parts[1:]
		if problems := validation.IsDNS1123Label(port.Name); len(problems) > 0 {
			return corev1.ServicePort{}, fmt.Errorf("%q is not a port name: %s", port.Name, problems[0])
		}
	}
	if len(parts) > 2 {
		return corev1.ServicePort{}, fmt.Errorf("a port has the form %s", servicePortForm)
	}
	if port.Port, err = parsePort(parts[0]); err != nil {
		return corev1.ServicePort{}, err
	}
	port.TargetPort = intstr.FromInt32(port.Port)
	if len(parts) == 2 {
		port.TargetPort, err = parseTargetPort(parts[1])
	}
	return port, err
}

func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// cutProtocol takes /PROTOCOL off the end; it defaults to TCP, as in the API.
func cutProtocol(word string) (rest string, protocol corev1.Protocol, err error) {
	rest, name, given := strings.Cut(word, "/")
	if !given {
		return rest, corev1.ProtocolTCP, nil
	}
	protocol = corev1.Protocol(strings.ToUpper(name))
	switch protocol {
	case corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP:
		return rest, protocol, nil
	}
	return "", "", fmt.Errorf("%q is not a protocol: use TCP, UDP or SCTP", name)
}

func parsePort(text string) (int32, error) {
	switch {
	case text == "":
		return 0, errors.New("the port number is missing")
	case !isNumber(text):
		return 0, fmt.Errorf("%q is not a port number", text)
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 65535 {
		return 0, fmt.Errorf("%s is no port: ports are 1 to 65535", text)
	}
	return int32(n), nil
}

// parseTargetPort reads a container port's number or its name (an IANA_SVC_NAME, RFC 6335).
func parseTargetPort(text string) (intstr.IntOrString, error) {
	if text == "" {
		return intstr.IntOrString{}, fmt.Errorf("the target port behind the colon is missing; the form is %s", servicePortForm)
	}
	if isNumber(text) {
		n, err := parsePort(text)
		return intstr.FromInt32(n), err
	}
	if problems := validation.IsValidPortName(text); len(problems) > 0 {
		return intstr.IntOrString{}, fmt.Errorf("%q is neither a port number nor a port name: %s", text, problems[0])
	}
	return intstr.FromString(text), nil
}

func namePorts(ports []corev1.ServicePort) {
	for i := range ports {
		if ports[i].Name == "" {
			ports[i].Name = fmt.Sprintf("%s-%d", strings.ToLower(string(ports[i].Protocol)), ports[i].Port)
		}
	}
}

func uniquePorts(ports []corev1.ServicePort) error {
	for i, port := range ports {
		for _, other := range ports[:i] {
			if port.Port == other.Port && port.Protocol == other.Protocol {
				return fmt.Errorf("port %d/%s is named twice", port.Port, port.Protocol)
			}
			if port.Name != "" && port.Name == other.Name {
				return fmt.Errorf("the port name %q is used twice", port.Name)
			}
		}
	}
	return nil
}

// ParseContainerPorts reads a container's ports, each of the form PORT[/PROTOCOL].
func ParseContainerPorts(flag string, words []string) ([]corev1.ContainerPort, error) {
	var ports []corev1.ContainerPort
	for _, word := range words {
		number, protocol, err := cutProtocol(word)
		if err != nil {
			return nil, UsageErrorf("%s: %q: %s", flag, word, err)
		}
		n, err := parsePort(number)
		if err != nil {
			return nil, UsageErrorf("%s: %q: %s", flag, word, err)
		}
		port := corev1.ContainerPort{ContainerPort: n, Protocol: protocol}
		if slices.Contains(ports, port) {
			return nil, UsageErrorf("%s: port %d/%s is named twice", flag, n, protocol)
		}
		ports = append(ports, port)
	}
	return ports, nil
}
