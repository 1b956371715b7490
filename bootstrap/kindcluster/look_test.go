package kindcluster

import (
	"reflect"
	"testing"
)

// TestParseContainer: each engine tells of the same node in its own words, here cut to what is read.
func TestParseContainer(t *testing.T) {
	t.Parallel()
	want := container{
		running: true, image: "aip-dev/node:v1.37.2", ports: map[int]int{30080: 8080, 30090: 8090}, mounts: map[string]string{"/data": "/home/me"},
	}
	const rest = `"State":{"Running":true},"Mounts":[{"Type":"bind","Source":"/home/me","Destination":"/data"},{"Type":"volume","Source":"/v","Destination":"/var"}],
		"HostConfig":{"PortBindings":{"30080/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}],"30090/tcp":[{"HostIp":"127.0.0.1","HostPort":"8090"}],"53/udp":[{"HostPort":"53"}],"80/tcp":null}}`
	for name, said := range map[string]string{
		"docker":  `[{"Image":"sha256:2a5e","Config":{"Image":"aip-dev/node:v1.37.2"},` + rest + `}]`,
		"podman":  `[{"Image":"2a5e","ImageName":"localhost/aip-dev/node:v1.37.2","Config":{"Image":"aip-dev/node:v1.37.2"},` + rest + `}]`,
		"nerdctl": `[{"Image":"aip-dev/node:v1.37.2","Config":{"Hostname":"n"},` + rest + `}]`,
	} {
		if found, err := parseContainer([]byte(said)); err != nil || !reflect.DeepEqual(found, want) {
			t.Errorf("%s: found %+v, %v, expected %+v", name, found, err, want)
		}
	}
	for _, said := range []string{"", "{}", "[]", "[{},{}]"} {
		if found, err := parseContainer([]byte(said)); err == nil {
			t.Errorf("%q: found %+v, expected an error", said, found)
		}
	}
}

func TestSameImage(t *testing.T) {
	t.Parallel()
	if !SameImage("aip-dev/node:v1", "docker.io/aip-dev/node:v1") || !SameImage("node", "docker.io/library/node:latest") {
		t.Error("a short reference and its whole form are two images")
	}
	if SameImage("aip-dev/node:v1", "aip-dev/node:v2") || SameImage("localhost/aip-dev/node:v1", "aip-dev/node:v1") {
		t.Error("two images are the same")
	}
}
