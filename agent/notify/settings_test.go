package notify

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

func goodEmail() EmailSettings {
	return EmailSettings{
		SMTP: "smtp.example.com:587", Username: "alice", Password: connectors.Secret{Env: "SMTP_PASSWORD"},
		From: "scimsync@example.com", To: []string{"stewards@example.com"},
	}
}

func TestEmailSettings(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*EmailSettings)
		want   []string // KEY: part of the problem
	}{
		"good":                {func(*EmailSettings) {}, nil},
		"off on loopback":     {func(s *EmailSettings) { s.SMTP, s.TLS = "[::1]:25", TLSOff }, nil},
		"off on localhost":    {func(s *EmailSettings) { s.SMTP, s.TLS = "localhost:25", TLSOff }, nil},
		"off elsewhere":       {func(s *EmailSettings) { s.TLS = TLSOff }, []string{"tls: in the clear to smtp.example.com"}},
		"off on a look-alike": {func(s *EmailSettings) { s.SMTP, s.TLS = "127.0.0.1.example.com:25", TLSOff }, []string{"tls: in the clear"}},
		"tls unknown":         {func(s *EmailSettings) { s.TLS = "ssl" }, []string{`tls: is "ssl": write starttls, implicit or off`}},
		"no port":             {func(s *EmailSettings) { s.SMTP = "smtp.example.com" }, []string{"smtp: write HOST:PORT"}},
		"port by name":        {func(s *EmailSettings) { s.SMTP = "smtp.example.com:smtp" }, []string{"smtp: write HOST:PORT"}},
		"no host":             {func(s *EmailSettings) { s.SMTP = ":587" }, []string{"smtp: write HOST:PORT"}},
		"a URL":               {func(s *EmailSettings) { s.SMTP = "smtp://smtp.example.com:587" }, []string{"smtp: write HOST:PORT"}},
		"no password":         {func(s *EmailSettings) { s.Password = connectors.Secret{} }, []string{"password: is missing"}},
		"no username":         {func(s *EmailSettings) { s.Username = "" }, []string{"username: is missing"}},
		"two passwords":       {func(s *EmailSettings) { s.Password.File = "x" }, []string{"password: exactly one"}},
		"no sender":           {func(s *EmailSettings) { s.From = "" }, []string{"from: write an address"}},
		"sender with header":  {func(s *EmailSettings) { s.From = "a@example.com\r\nBcc: eve@example.com" }, []string{"from: write an address"}},
		"sender with blank":   {func(s *EmailSettings) { s.From = `"a b"@example.com` }, []string{"from: write an address"}},
		"nobody":              {func(s *EmailSettings) { s.To = nil }, []string{"to: names nobody"}},
		"two in one":          {func(s *EmailSettings) { s.To = []string{"a@example.com, b@example.com"} }, []string{"to[0]: write an address"}},
		"too many":            {func(s *EmailSettings) { s.To = slices.Repeat(s.To, 101) }, []string{"to: the most is 100"}},
		"timeout":             {func(s *EmailSettings) { s.Timeout = connectors.Duration(time.Hour) }, []string{"timeout: up to 5m"}},
		"subject, syntax":     {func(s *EmailSettings) { s.Subject = "{{.Title" }, []string{"subject: unclosed action"}},
		"subject, field":      {func(s *EmailSettings) { s.Subject = "{{.Tilte}}" }, []string{"subject: can't evaluate field Tilte"}},
		"body, inner field":   {func(s *EmailSettings) { s.Body = "{{range .Sections}}{{range .Objects}}{{.Id}}{{end}}{{end}}" }, []string{"body: can't evaluate field Id"}},
		"body, function":      {func(s *EmailSettings) { s.Body = "{{env `HOME`}}" }, []string{`body: function "env" not defined`}},
		"all at once":         {func(s *EmailSettings) { *s = EmailSettings{} }, []string{"smtp: write HOST:PORT", "from: write", "to: names nobody"}},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s := goodEmail()
			test.change(&s)
			check(t, s.Validate(), test.want)
			if _, err := NewEmail("stewards", s, Options{}); (err == nil) != (len(test.want) == 0) {
				t.Errorf("NewEmail: %v", err)
			}
		})
	}
}

func TestWebhookSettings(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		s    WebhookSettings
		want []string
	}{
		"good":           {WebhookSettings{URL: "https://hooks.example.com/services/T/B/x", Format: Slack}, nil},
		"loopback":       {WebhookSettings{URL: "http://127.0.0.1:8080/in"}, nil},
		"http":           {WebhookSettings{URL: "http://hooks.example.com/in"}, []string{"url: in the clear to hooks.example.com"}},
		"no address":     {WebhookSettings{}, []string{"url: is not an address"}},
		"other scheme":   {WebhookSettings{URL: "ftp://hooks.example.com/"}, []string{`url: has the scheme "ftp"`}},
		"with user":      {WebhookSettings{URL: "https://a:b@hooks.example.com/"}, []string{"url: holds a user name or password"}},
		"with fragment":  {WebhookSettings{URL: "https://hooks.example.com/#x"}, []string{"url: holds a fragment"}},
		"format":         {WebhookSettings{URL: "https://hooks.example.com/", Format: "teams"}, []string{`format: is "teams"`}},
		"secret":         {WebhookSettings{URL: "https://hooks.example.com/", Secret: connectors.Secret{Env: "A", File: "b"}}, []string{"secret: exactly one"}},
		"subject":        {WebhookSettings{URL: "https://hooks.example.com/", Subject: "{{.X}}"}, []string{"subject: can't evaluate field X"}},
		"negative":       {WebhookSettings{URL: "https://hooks.example.com/", Timeout: -1}, []string{"timeout: write a duration"}},
		"not even a URL": {WebhookSettings{URL: "https://[tok3n/"}, []string{"url: is not an address"}},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			check(t, test.s.Validate(), test.want)
			for _, e := range test.s.Validate() {
				if strings.Contains(e.Problem, "tok3n") || strings.Contains(e.Problem, "a:b") {
					t.Errorf("the problem repeats a secret: %v", e)
				}
			}
		})
	}
}

// check compares problems with KEY: PART.
func check(t *testing.T, got []connectors.SettingError, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d mistakes %v, want %q", len(got), got, want)
	}
	for i, w := range want {
		key, part, _ := strings.Cut(w, ": ")
		if got[i].Key != key || !strings.Contains(got[i].Problem, part) {
			t.Errorf("mistake %v, want %q", got[i], w)
		}
	}
}

func TestCAFile(t *testing.T) {
	t.Parallel()
	s := goodEmail()
	s.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	if _, err := NewEmail("stewards", s, Options{}); err == nil || !strings.Contains(err.Error(), "notifier stewards: ca_file: ") {
		t.Errorf("missing: %v", err)
	}
	if err := os.WriteFile(s.CAFile, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewEmail("stewards", s, Options{}); err == nil || !strings.Contains(err.Error(), "holds no certificate") {
		t.Errorf("no PEM: %v", err)
	}
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	m := messages(t)["run"]
	tests := map[string]struct{ text, want string }{
		"built in": {"", m.Text()},
		"extended": {"{{.Text}}\nRunbook: https://wiki.example.com/{{.Sync}}\n", m.Text() + "\nRunbook: https://wiki.example.com/ad-groups\n"},
		"fields":   {"{{.Severity}} {{.Run}} {{.Time.Year}} {{len .Sections}}", "error 20260822-1 2026 4"},
		"sections": {"{{range .Sections}}{{.Event}}={{.Count}}{{range first 1 .Objects}} {{.Kind}} {{.ID}} {{.Name}}{{end}} +{{.More}};{{end}}", "failed=3 group g3 Führungskräfte +0;held=2 user u3 bob@example.com +0;group_exists=2 group g5 Marketing +0;group_created=2 group g1 Finance +0;"},
		"in docs": {
			`{{range .Sections}}{{if eq .Event "failed"}}Runbook: https://wiki.example.com/scimsync-failures{{end}}{{end}}`,
			"Runbook: https://wiki.example.com/scimsync-failures",
		},
		"no markup": {"{{range .Sections}}{{range .Objects}}{{if eq .ID `g2`}}{{.Name}}{{end}}{{end}}{{end}}", `O'Brien "The Team" <b>`},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			f, err := newForms("", test.text)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := f.text(m); err != nil || got != test.want {
				t.Errorf("body %q, %v, want %q", got, err, test.want)
			}
		})
	}
	if _, err := newForms("", "{{range 100000}}0123456789{{end}}"); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("a body without bounds: %v", err)
	}
	if _, err := newForms(strings.Repeat("x", longestTemplate+1), ""); err == nil {
		t.Error("a template without bounds is taken")
	}
	f, err := newForms("{{.Sync}}\r\nBcc: eve@example.com", "")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.title(m); err != nil || got != "ad-groups  Bcc: eve@example.com" {
		t.Errorf("subject %q, %v", got, err)
	}
}

// FuzzLine holds cleaned texts to what headers, bodies and JSON need.
func FuzzLine(f *testing.F) {
	for _, name := range slices.Sorted(maps.Keys(map[string]bool{"a\r\nb": true, "\xff\x00": true, "財務": true, "\u202e": true})) {
		f.Add(name, 3)
	}
	f.Fuzz(func(t *testing.T, text string, most int) {
		if most < 0 || most > 1<<20 {
			return
		}
		got := line(text, most)
		if strings.ContainsAny(got, "\r\n\x00\u2028\u2029\u0085\u202e") || len([]rune(got)) > most || !strings.EqualFold(strings.ToValidUTF8(got, ""), got) {
			t.Errorf("line(%q, %d) = %q", text, most, got)
		}
		if again := line(got, most); again != got && strings.TrimSpace(got) == got {
			t.Errorf("cleaned again, %q is %q", got, again)
		}
	})
}
