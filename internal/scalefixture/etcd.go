// Package scalefixture fills a cluster with many objects, by writing them straight into its etcd as the
// API server would: 5,000 nodes and 150,000 pods in half a minute. It is a helper of tests and
// benchmarks. Nothing may reconcile while the objects exist: stop the controller manager, the scheduler
// and the node simulator first, and start the API server after.
package scalefixture

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Etcd is etcd's JSON gateway, which needs no gRPC.
// See https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/.
type Etcd struct {
	url    string
	client *http.Client
}

// NewEtcd reaches etcd at a URL such as https://127.0.0.1:2379.
func NewEtcd(url string, config *tls.Config) *Etcd {
	return &Etcd{
		url:    strings.TrimRight(url, "/"),
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: config, MaxIdleConnsPerHost: workers}},
	}
}

// pair is a key and value; JSON encodes them as base64, as the gateway wants.
type pair struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
}

// put writes pairs in one transaction; etcd takes 128 at most unless told otherwise (--max-txn-ops).
func (e *Etcd) put(ctx context.Context, pairs []pair) error {
	type operation struct {
		Put pair `json:"requestPut"`
	}
	var transaction struct {
		Success []operation `json:"success"`
	}
	for _, p := range pairs {
		transaction.Success = append(transaction.Success, operation{p})
	}
	body, err := json.Marshal(transaction)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url+"/v3/kv/txn", bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := e.client.Do(request)
	if err != nil {
		return fmt.Errorf("writing to etcd: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("writing to etcd: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("writing to etcd: %s: %s", response.Status, answer)
	}
	return nil
}
