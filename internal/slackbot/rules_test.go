package slackbot

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

func TestClusters(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, func(s *stage) {
		s.config.Clusters = append(s.config.Clusters, ClusterConfig{Name: "other", Namespace: "kube-system"}, ClusterConfig{Name: "broken", Kubeconfig: "/nowhere"})
		s.config.Channels = append(s.config.Channels, ChannelRule{ID: s.side.ID, Cluster: "other", Verbs: []string{"get", "version"}, DenyVerbs: []string{"get"}, Public: true})
	})
	s.start(nil)
	s.slash(s.bob, "get pods", "cluster lab · namespace "+s.namespace)
	s.slash(s.bob, "get pods --cluster other", "cluster other · namespace kube-system")
	s.slash(s.bob, "get pods --cluster=prod", "known clusters: lab, other, broken")
	s.slash(s.bob, "get pods --cluster broken", `cluster "broken" is not configured correctly`)
	_, err := s.bob.Slash(s.side, "/lab", "version")
	must(t, err)
	if m := s.waitShown("Server Version"); m.EphemeralTo != "" || m.Channel != s.side.ID {
		t.Errorf("the answer in a public channel is %v", m)
	}
	for line, want := range map[string]string{"get nodes": `"get" is not allowed in this channel`, "traffic web": `"traffic" is not allowed in this channel`} {
		_, err := s.bob.Slash(s.side, "/lab", line)
		must(t, err)
		s.waitShown(want)
	}
}

func TestSlackGroupsGiveKubernetesGroups(t *testing.T) {
	t.Parallel()
	var group *fakeslack.UserGroup
	s := newStage(t, fakeslack.Options{}, func(s *stage) {
		group = s.Team().AddUserGroup("lab", s.carol)
		s.config.People = append(s.config.People, Binding{SlackGroups: []string{s.Team().ID + ":" + group.ID}, Groups: []string{"admins-" + s.suffix}})
	})
	var ahead atomic.Int64
	s.start(func(o *Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	s.slash(s.carol, "get nodes", "k8s01")
	s.slash(s.dave, "get nodes", "you are not allowed to use labbot")
	group.SetMembers(s.dave)
	ahead.Store(int64(groupFresh + time.Second))
	s.slash(s.carol, "get nodes", "you are not allowed to use labbot")
	s.slash(s.dave, "get nodes", "k8s01")
}

func TestConfigurationIsReloaded(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	bot := s.start(nil)
	s.slash(s.carol, "version", "you are not allowed to use labbot")
	good := s.config.People
	s.config.People = append(good, Binding{Users: []string{"nonsense"}})
	s.writeConfig()
	s.eventually("the bad configuration to be refused", func() bool { return bot.reloads(s, "bad") })
	s.slash(s.bob, "version", "Server Version") // by the old one
	s.config.People = append(good, Binding{Users: []string{s.person(s.carol)}})
	s.writeConfig()
	s.applyRBAC()
	s.eventually("the good configuration to be taken", func() bool { return bot.reloads(s, "good") })
	s.slash(s.carol, "version", "Server Version")
}

// reloads reports whether the bot counted a change of its configuration with that result.
func (r *running) reloads(s *stage, result string) bool {
	return strings.Contains(s.get(r, "/metrics"), `labbot_config_reloads_total{result="`+result+`"} 1`)
}
