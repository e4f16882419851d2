package connectors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Secret says where a secret is kept: exactly one of an environment variable, a
// file, or a command whose standard output it is. It never holds the secret
// itself, so it may be printed, logged and saved.
type Secret struct {
	Env     string   `yaml:"env,omitempty" json:"env,omitempty"`
	File    string   `yaml:"file,omitempty" json:"file,omitempty"`
	Command []string `yaml:"command,omitempty" json:"command,omitempty"`
}

const (
	secretSize    = 64 << 10
	secretTimeout = 30 * time.Second
)

// IsZero reports whether no place is given.
func (s Secret) IsZero() bool { return s.Env == "" && s.File == "" && len(s.Command) == 0 }

// Validate says what is wrong with the reference itself; nothing is read.
func (s Secret) Validate() error {
	given := 0
	for _, set := range []bool{s.Env != "", s.File != "", len(s.Command) > 0} {
		if set {
			given++
		}
	}
	if given != 1 {
		return errors.New("give exactly one of {env: NAME}, {file: PATH} or {command: [prog, arg]}")
	}
	return nil
}

// String names the place, never the secret.
func (s Secret) String() string {
	switch {
	case s.Env != "":
		return "environment variable " + s.Env
	case s.File != "":
		return "file " + s.File
	case len(s.Command) > 0:
		return "command " + s.Command[0]
	}
	return "nowhere"
}

// LogValue logs the place, never the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Resolve reads the secret anew. One trailing line break is dropped. An empty
// secret is an error: an empty bearer token is accepted by some servers.
func (s Secret) Resolve(ctx context.Context) (string, error) {
	value, err := s.read(ctx)
	if err != nil {
		return "", &SecretError{s, err}
	}
	value = strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r")
	if strings.TrimSpace(value) == "" {
		return "", &SecretError{s, errors.New("is empty")}
	}
	if len(value) > secretSize {
		return "", &SecretError{s, fmt.Errorf("is larger than %d KiB", secretSize>>10)}
	}
	return value, nil
}

// SecretError says that a secret could not be had, so that nothing was sent.
type SecretError struct {
	Secret Secret
	Err    error
}

// Error names the place and the problem, never the secret.
func (e *SecretError) Error() string { return fmt.Sprintf("secret from %s: %v", e.Secret, e.Err) }

// Unwrap returns the cause.
func (e *SecretError) Unwrap() error { return e.Err }

func (s Secret) read(ctx context.Context) (string, error) {
	switch {
	case s.Env != "":
		value, ok := os.LookupEnv(s.Env)
		if !ok {
			return "", errors.New("is not set")
		}
		return value, nil
	case s.File != "":
		data, err := os.ReadFile(s.File)
		return string(data), err
	case len(s.Command) > 0:
		ctx, cancel := context.WithTimeout(ctx, secretTimeout)
		defer cancel()
		var out bytes.Buffer
		cmd := exec.CommandContext(ctx, s.Command[0], s.Command[1:]...)
		// Standard error is not repeated: a helper may print the secret there.
		cmd.Stdout = &out
		cmd.WaitDelay = time.Second
		err := cmd.Run()
		return out.String(), err
	}
	return "", s.Validate()
}
