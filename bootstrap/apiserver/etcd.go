package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
)

const (
	// maxSocketPath is the length of a unix socket's path that Linux and macOS both accept.
	// Source: unix(7), sun_path.
	maxSocketPath = 103
	etcdStart     = 30 * time.Second
	etcdSegment   = 8 << 20
	etcdQuota     = 4 << 30
)

// errSocketPath says that the state folder's path is too long for a unix socket.
var errSocketPath = errors.New("the path of the state folder is too long for a unix socket")

// startEtcd runs one etcd member whose data and sockets lie in dir (0700): no TCP port, nothing for other users to
// reach. It returns when the member serves.
func startEtcd(ctx context.Context, dir string, log *zap.Logger) (*embed.Etcd, string, error) {
	client, peer := filepath.Join(dir, "client.sock"), filepath.Join(dir, "peer.sock")
	if len(client) > maxSocketPath {
		return nil, "", fmt.Errorf("%w: %q has %d bytes, %d fit", errSocketPath, client, len(client), maxSocketPath)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", fmt.Errorf("make etcd's folder: %w", err)
	}
	for _, stale := range []string{client, peer} {
		if err := os.Remove(stale); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, "", fmt.Errorf("remove a socket left by an earlier run: %w", err)
		}
	}
	etcd, err := embed.StartEtcd(etcdConfig(dir, client, peer, log))
	if err != nil {
		return nil, "", fmt.Errorf("start etcd: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, etcdStart)
	defer cancel()
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, "unix://" + client, nil
	case err = <-etcd.Err():
	case <-ctx.Done():
		err = ctx.Err()
	}
	etcd.Close()
	return nil, "", fmt.Errorf("wait for etcd to serve: %w", err)
}

func etcdConfig(dir, client, peer string, log *zap.Logger) *embed.Config {
	// Two segments are preallocated; the default of 64 MB each would fill 128 MB of disk for an empty cluster.
	wal.SegmentSizeBytes = etcdSegment
	c := embed.NewConfig()
	c.Dir = filepath.Join(dir, "data")
	c.Name = "aip-dev"
	c.ListenClientUrls = []url.URL{{Scheme: "unix", Path: client}}
	c.AdvertiseClientUrls = c.ListenClientUrls
	// etcd listens for peers at URL.Host; with a Path alone it would open an abstract socket that every user of the
	// machine can reach. The advertised name is part of the member's identity and never dialled.
	c.ListenPeerUrls = []url.URL{{Scheme: "unix", Host: peer}}
	c.AdvertisePeerUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	c.InitialCluster = c.Name + "=http://127.0.0.1:0"
	c.TickMs, c.ElectionMs = 10, 100
	c.AutoCompactionMode, c.AutoCompactionRetention = embed.CompactorModePeriodic, "1h"
	c.QuotaBackendBytes = etcdQuota
	c.EnableGRPCGateway = false
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(log)
	return c
}
