package frontends

// kind is what a line does, and so what Slack makes of it.
type kind int

const (
	// reading lines run as they are.
	reading kind = iota
	// printing lines too, and both front ends must print the same text.
	printing
	// writing lines are rehearsed in Slack, with --dry-run=server, and run when Confirm is pressed.
	writing
	// stopping lines would write, but their rehearsal shows that there is nothing to do, or that they
	// would fail; in Slack they end there.
	stopping
)

// line is one command of the corpus.
type line struct {
	kind kind
	// text is what is typed behind "kubectl lab" and behind "/lab". NS stands for the front end's own
	// namespace.
	text string
	// file is the name of a file that the command reads: in the terminal from the disk, in Slack from
	// the message that it is attached to.
	file string
}

func reads(text string) line  { return line{kind: reading, text: text} }
func prints(text string) line { return line{kind: printing, text: text} }
func writes(text string) line { return line{kind: writing, text: text} }
func stops(text string) line  { return line{kind: stopping, text: text} }

// with attaches a file.
func (l line) with(file string) line {
	l.file = file
	return l
}

// files are what the corpus attaches.
func files() map[string]string {
	return map[string]string{
		"pod.yaml": `apiVersion: v1
kind: Pod
metadata:
  name: from-file
spec:
  containers:
    - name: nginx
      image: docker.io/library/nginx:1.15
`,
		"hosts.ini": "[kube_control_plane]\nk8s01\n[etcd]\nk8s01\n[kube_node]\nk8s02\nk8s03\n",
	}
}

// corpus reads like a session: each line finds what the lines before it made. It begins and ends with
// an empty namespace, so that one front end can run it after the other. Every verb and every flag
// stands in it, unless it works in a terminal only.
func corpus() []line {
	return []line{
		// What is there, and how it is.
		reads("version"),
		prints("version -o json"),
		prints("version --client -o yaml"),
		reads("status"),
		reads("status --short --category nodes,dns"),
		reads("status --category nodes --wait --timeout 2s"),
		reads("status --list-checks -o json"),
		reads("describe"),
		reads("describe cluster"),
		reads("describe node k8s01"),
		reads("describe node/k8s01 --show-events=false"),
		reads("describe services -A --limit 1"),
		reads("get nodes -o wide"),
		reads("get nodes -L kubernetes.io/os --show-labels"),
		prints("get nodes -l '!node-role.kubernetes.io/control-plane' -o name"),
		prints("get ns default -o jsonpath={.metadata.name}"),
		reads("get pods -A -o name"),

		// Nodes.
		reads("label nodes --list"),
		writes("label nodes k8s02 corpus=one"),
		writes("label nodes k8s02 k8s03 corpus=two --overwrite"),
		stops("label nodes k8s02 corpus=three"), // another value, and no --overwrite
		prints("label nodes --list -l corpus=two -o name"),
		writes("label nodes --all corpus-"),
		stops("label nodes --all corpus-"), // nothing to do, so nothing to confirm
		reads("label nodes k8s01 corpus=x --dry-run=server"),
		reads("label nodes k8s01 corpus=x --dry-run=client"),
		stops("label nodes -l 'no such=selector' a=b"),
		reads("label nodes"),

		// Pods.
		writes("create pod web --image docker.io/library/nginx:1.15 --port 80 --labels app=nt,step=dev --count 2 --serve-hostname --wait --timeout 30s"),
		stops("create pod web-1 --image docker.io/library/nginx:1.15 --port 80 --labels app=nt,step=dev --serve-hostname"),
		stops("create pod web-1 --image docker.io/library/nginx:1.27"), // it is there, and different
		reads("create pod full --image nginx --env A=B --requests cpu=100m --limits memory=64Mi --image-pull-policy Never --node-selector node=node01 --restart=Never --serve-hostname --init-image alpine --dry-run=server"),
		writes("create pod sleeper --image docker.io/library/alpine:latest --restart=Never --command -- sleep 3600"),
		prints("get pods -l app=nt -o name"),
		reads("get pods --field-selector metadata.name=web-1 --show-labels"),
		reads("get pod no-such"),
		reads("get nosuchkind"),
		reads("describe pods -l app=nt --limit 1"),
		reads("describe pod web-1"),
		reads("logs web-1 --tail 20 --timestamps --since 5m"),
		reads("logs web-1 -c web"),
		reads("logs web-1 --all-containers"),
		reads("logs web-1 --previous"),
		reads("logs no-such"),

		// Files.
		writes("create -f pod.yaml").with("pod.yaml"),
		stops("create -f pod.yaml").with("pod.yaml"), // unchanged
		reads("create --force-conflicts -R -f pod.yaml --dry-run=server").with("pod.yaml"),
		reads("create -f hosts.ini").with("hosts.ini"),
		reads("delete -R -f pod.yaml --dry-run=server").with("pod.yaml"),
		writes("delete -f pod.yaml").with("pod.yaml"),
		prints("inventory show hosts.ini -o jsonpath={.declaration.nodes[*].host}").with("hosts.ini"),
		reads("inventory show hosts.ini").with("hosts.ini"),
		reads("inventory check hosts.ini").with("hosts.ini"),

		// Services, and what goes through them.
		writes("create service web --port http:8000:80 --selector app=nt --labels step=dev"),
		reads("create service port --port 80 --selector app=nt --type NodePort --node-port 30080 --dry-run=server"),
		reads("create service out --port 8000:80 --selector app=nt --type LoadBalancer --external-ip 192.0.2.7 --dry-run=server"),
		reads("create service name --type ExternalName --external-name example.com --dry-run=server"),
		reads("describe service web"),
		reads("logs service/web"),
		reads("traffic web -c 5 --via cluster-ip --port 8000 --path /x --image alpine --timeout 1s --start-timeout 5s --dry-run=server"),
		stops("traffic web --via node-port"),
		writes("traffic web -c 1 --start-timeout 5s"),
		stops("traffic no-such"),
		reads("delete --lab -A --dry-run=client"),

		// Namespaces, with another one than the default.
		writes("create namespace NS-made --labels purpose=corpus"),
		reads("create namespace NS-made --labels purpose=corpus --dry-run=server"),
		writes("create pod there --image docker.io/library/nginx:1.15 -n NS-made"),
		prints("get pod there -n NS-made -o jsonpath={.metadata.namespace}"),
		writes("delete pod there -n NS-made --grace-period 0"),
		writes("delete namespace NS-made"),
		reads("get pods -n Bad_Name"),

		// Credentials. The service account is the corpus's own; the manual's stays as it is.
		writes("token --create --service-account NS-reader"),
		reads("token --service-account NS-reader --create --dry-run=server"),
		reads("token --service-account NS-reader --duration 10m --audience corpus"),
		reads("token --service-account NS-reader --bound-object-kind Pod --bound-object-name web-1"),
		reads("token --service-account NS-reader --bound-object-kind Pod --bound-object-name web-1 --bound-object-uid 0"),
		reads("token --service-account NS-reader --legacy"),
		reads("token --service-account no-such"),
		writes("delete clusterrolebinding/NS-reader serviceaccount/NS-reader -n kube-system --wait=false"),

		// Exercises.
		prints("exercise list -o yaml"),
		prints("exercise show service -o yaml"),
		reads("exercise show no-such"),
		reads("exercise run service --image docker.io/library/nginx:1.15=registry.example.com/nginx:1.27 --operator --dry-run=server"),
		writes("exercise run replicaset -n NS-replicas"),
		reads("exercise clean replicaset -n NS-replicas --dry-run=server"),
		writes("exercise clean replicaset -n NS-replicas"),
		writes("exercise run replicaset -n NS-again --clean"),

		// The end.
		stops("delete pod no-such"),
		stops("delete pod no-such --ignore-not-found"),
		reads("delete pods -l app=nt --dry-run=server"),
		writes("delete pod web-1 --timeout 30s"),
		writes("delete pods --all"),
		writes("delete --lab"),
		stops("delete pods,services --all"),
		reads("statsu"),
		reads("label nodse k8s01 a=b"),
		reads("version --clinet"),
		reads("version surplus"),
	}
}

// elsewhere is lines that name a file that did not come with them. Slack never looks on the bot's own
// disk, and asks the cluster for nothing.
func elsewhere() []string {
	return []string{
		"create -f -",
		"create -f /etc/labbot/config.yaml",
		"create -R -f /etc",
		"delete -f ../pod.yaml",
		"inventory show /etc/hosts",
		"inventory check ../../etc/hosts",
	}
}
