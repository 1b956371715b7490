package gateway

import (
	"fmt"
	"log/slog"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/aip-dev/aip-dev/gateway/collector"
)

// bindCollector binds the flags of garbage collection.
func bindCollector(fs *pflag.FlagSet, s *collector.Settings) {
	fs.BoolVar(&s.Enabled, "gc-enabled", false, "remove requests that ended long ago, and the audit records of requests that are gone")
	fs.BoolVar(&s.DryRun, "gc-dry-run", true, "only count what would be removed")
	fs.DurationVar(&s.Interval, "gc-interval", collector.DefaultInterval, "time between two scans")
	fs.DurationVar(&s.HardTTL, "gc-hard-ttl", 0, "age from which requests and records are removed; 0 removes none")
	fs.Int64Var(&s.PageSize, "gc-page-size", collector.DefaultPageSize, "how many objects a scan reads at once")
	fs.Float64Var(&s.Rate, "gc-delete-rate-per-sec", collector.DefaultRate, "how many objects are removed in a second at most")
	fs.IntVar(&s.SafetyMin, "gc-safety-min-count", collector.DefaultSafetyMin, "remove nothing of a kind that has fewer objects than this")
}

// bindController binds the flags of the public AIP control plane's controller, which is part of this process.
func bindController(fs *pflag.FlagSet, o *Options) {
	fs.StringVar(&o.MetricsAddr, "metrics-bind-address", off, "a further address that serves /metrics; "+off+" is none, --addr serves them anyway")
	fs.BoolVar(&o.MetricsSecure, "metrics-secure", true, "serve it over TLS, with the certificate of --tls-cert-file")
	fs.StringVar(&o.ProbeAddr, "health-probe-bind-address", off, "a further address that serves /healthz and /readyz; "+off+" is none, --addr serves them anyway")
	fs.Var(&logLevel{&o.LogLevel}, "zap-log-level", "what is logged: debug, info, error, or a number, of which more than 0 is debug")
	for name, why := range map[string]string{
		"jwt-key-namespace":       "this gateway reads no Secrets; --jwt-key-path is a file",
		"jwt-key-rotation-ttl":    "whoever replaces the file of --jwt-key-path rotates the key",
		"mcp-server-http-timeout": "this gateway has no MCP proxy",
		"zap-devel":               logFormat, "zap-encoder": logFormat, "zap-stacktrace-level": logFormat, "zap-time-encoding": logFormat,
	} {
		f := fs.VarPF(&unused{name: name, why: why, given: &o.Unused}, name, "", "taken for the sake of the public AIP control plane; counts for nothing: "+why)
		if name == "zap-devel" {
			f.NoOptDefVal = "true"
		}
	}
}

const (
	// off is the address that is none, as controller-runtime has it.
	off       = "0"
	logFormat = "the log has one format"
)

// unused is a flag that counts for nothing and says so.
type unused struct {
	name, why, value string
	given            *[]string
}

func (u *unused) String() string { return u.value }
func (*unused) Type() string     { return "string" }

// Set notes that the flag was given.
func (u *unused) Set(s string) error {
	u.value = s
	*u.given = append(*u.given, "--"+u.name+" counts for nothing: "+u.why)
	return nil
}

// logLevel is a level as the flags of zap spell it.
type logLevel struct{ to *slog.Level }

func (l *logLevel) String() string {
	if l.to == nil {
		return ""
	}
	switch {
	case *l.to < slog.LevelInfo:
		return "debug"
	case *l.to > slog.LevelInfo:
		return "error"
	default:
		return "info"
	}
}
func (*logLevel) Type() string { return "level" }

// Set reads debug, info, error, panic or a number.
func (l *logLevel) Set(s string) error {
	verbosity, err := strconv.Atoi(s)
	switch {
	case s == "debug", err == nil && verbosity > 0:
		*l.to = slog.LevelDebug
	case s == "info", err == nil && verbosity == 0:
		*l.to = slog.LevelInfo
	case s == "error", s == "panic":
		*l.to = slog.LevelError
	default:
		return fmt.Errorf("found %q, expected debug, info, error or a number", s)
	}
	return nil
}
