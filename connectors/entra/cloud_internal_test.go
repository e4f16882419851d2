package entra

import "testing"

// The scope names the Graph that the requests go to, whatever overrides it.
func TestEndpointsMoveTogether(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		settings                Settings
		graph, authority, scope string
	}{
		{Settings{}, "https://graph.microsoft.com/v1.0", "https://login.microsoftonline.com", "https://graph.microsoft.com/.default"},
		{Settings{Cloud: USGov}, "https://graph.microsoft.us/v1.0", "https://login.microsoftonline.us", "https://graph.microsoft.us/.default"},
		{Settings{Cloud: China}, "https://microsoftgraph.chinacloudapi.cn/v1.0", "https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn/.default"},
		{
			Settings{Cloud: USGov, URL: "https://dod-graph.microsoft.us/"},
			"https://dod-graph.microsoft.us/v1.0", "https://login.microsoftonline.us", "https://dod-graph.microsoft.us/.default",
		},
	} {
		at, err := test.settings.endpoints()
		if err != nil || at.graph.String() != test.graph || at.authority.String() != test.authority || at.scope != test.scope {
			t.Errorf("%+v: graph %s, authority %s, scope %s (%v)", test.settings, at.graph, at.authority, at.scope, err)
		}
	}
}
