package main

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"testing"

	"github.com/scimsync/scimsync/connectors/entra/entratest"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

const (
	entraTenant = "00000000-0000-0000-0000-000000000000"
	entraClient = "22222222-0000-4000-8000-000000000002"
	entraSecret = "canary-entra-secret-0123456789"
)

// entraID is the id of the nth object.
func entraID(n int) string { return fmt.Sprintf("a0000000-0000-4000-8000-%012d", n) }

// newEntraExample starts a tenant with https, where credentials are had as in
// earnest, and writes the example for it.
func newEntraExample(t *testing.T, name string, w entratest.World, application scimtest.Options, target string) (*example, *entratest.Server) {
	t.Helper()
	e := newExampleWorld(t, oktatest.Synthetic(1, 0, 0, 1), application)
	w.Tenant = entraTenant
	tenant, err := entratest.New(w)
	e.must(err)
	web := e.certificate(tenant, "entra-ca.pem")
	e.environ = append(e.environ, "ENTRA_SECRET="+entraSecret)
	e.place(name, map[string]string{
		"tenant: " + entraTenant + "\n": fmt.Sprintf("tenant: %s\n    url: %s\n    authority: %s\n    http: {ca_file: entra-ca.pem}\n",
			entraTenant, web.URL, web.URL),
		"url: " + target + "\n": "url: " + e.url + "\n",
	})
	return e, tenant
}

func TestExampleEntraToAlation(t *testing.T) {
	t.Parallel()
	w := entratest.World{
		Users: []entratest.User{
			entratest.Person(entraID(1), "ada@example.com", "Ada", "Archer"),
			entratest.Person(entraID(2), "bo@example.com", "Bo", "Berg"),
			entratest.Person(entraID(3), "cy@example.com", "Cy", "Cole"),
			entratest.Person(entraID(4), "admin@example.com", "Break", "Glass"),
			entratest.Person(entraID(5), "out@example.com", "Not", "Assigned"),
			entratest.Guest(entraID(6), "di@partner.example.com", "Di", "Dahl", "example.com"),
		},
		Groups: []entratest.Group{
			entratest.Team(entraID(11), "Alation - Stewards", entraID(1), entraID(2), entraID(6)),
			entratest.Team(entraID(12), "Elsewhere", entraID(1), entraID(5)),
		},
		Apps: []entratest.App{{
			ID: entraID(21), AppID: "11111111-2222-3333-4444-555555555555", Name: "Alation",
			Assigned: []string{entraID(11), entraID(3), entraID(4)},
		}},
	}
	e, tenant := newEntraExample(t, "entra-to-alation.yaml", w, scimtest.Options{Lenient: true}, "https://acme.alationcloud.com/scim/v2")
	tenant.Register(entratest.Client{
		ID: entraClient, Secret: entraSecret,
		Permissions: []string{entratest.UserRead, entratest.GroupMemberRead, entratest.ApplicationRead},
	})
	_, err := e.application.Put(identity.User, map[string]any{"userName": "admin@example.com", "displayName": "By hand"})
	e.must(err)
	e.checks()
	plan := e.json(exitDone, "plan")
	e.equal("people", plan.names("create", "user"), []string{"ada@example.com", "bo@example.com", "cy@example.com"})
	e.equal("groups", plan.names("create", "group"), []string{"Alation - Stewards"})
	e.converges()
	e.equal("members", e.members("Alation - Stewards"), []string{"ada@example.com", "bo@example.com"})
	e.equal("the protected account", e.user("admin@example.com")["displayName"], "By hand")

	// Somebody leaves the assigned group, somebody joins it, one is disabled.
	e.must(tenant.RemoveMember(entraID(11), entraID(2)))
	e.must(tenant.AddMember(entraID(11), entraID(5)))
	e.must(tenant.SetEnabled(entraID(3), false))
	done := e.converges()
	e.equal("suspended", done.names("deactivate", "user"), []string{"bo@example.com", "cy@example.com"})
	e.equal("new", done.names("create", "user"), []string{"out@example.com"})
	// Memberships of people who are suspended are left as they are.
	e.equal("members afterwards", e.members("Alation - Stewards"), []string{"ada@example.com", "bo@example.com", "out@example.com"})
}

func TestExampleEntraToCollate(t *testing.T) {
	t.Parallel()
	// The user principal name is not the address.
	zoe := entratest.Person(entraID(3), "zoe@example.com", "Zoe", "Zahn")
	zoe.Properties["userPrincipalName"] = "z1234@example.com"
	unreachable := entratest.Person(entraID(4), "service@example.com", "Ser", "Vice")
	unreachable.Properties["mail"] = nil
	mailing := entratest.Team(entraID(13), "OM_Mailing list", entraID(1))
	mailing.Properties["securityEnabled"] = false
	w := entratest.World{
		Users: []entratest.User{
			entratest.Person(entraID(1), "ada@example.com", "Ada", "Archer"),
			entratest.Person(entraID(2), "bo@example.com", "Bo", "Berg"),
			zoe,
			unreachable,
			entratest.Guest(entraID(5), "di@partner.example.com", "Di", "Dahl", "example.com"),
		},
		Groups: []entratest.Group{
			entratest.Team(entraID(11), "OM_Finance", entraID(1), entraID(4)),
			entratest.Team(entraID(12), "Collate_Stewards", entraID(2), entraID(11)), // a group within a group
			mailing,
			entratest.Team(entraID(14), "Sales", entraID(1)),
		},
	}
	application := scimtest.Options{BasePath: "/api/v1/scim", Lenient: true}
	e, tenant := newEntraExample(t, "entra-to-collate.yaml", w, application, "https://acme.getcollate.io/api/v1/scim")
	certificate, err := os.ReadFile("../../connectors/entra/testdata/client.pem")
	e.must(err)
	e.write("entra.pem", string(certificate))
	tenant.Register(entratest.Client{
		ID: entraClient, Key: certified(t, certificate), Permissions: []string{entratest.UserRead, entratest.GroupMemberRead},
	})
	e.checks()
	plan := e.json(exitDone, "plan")
	e.equal("people", plan.names("create", "user"), []string{"ada@example.com", "bo@example.com", "zoe@example.com"})
	e.equal("teams", plan.names("create", "group"), []string{"Collate_Stewards", "OM_Finance"})
	e.converges()
	e.equal("members", e.members("OM_Finance"), []string{"ada@example.com"})
	e.equal("members with those of the group within", e.members("Collate_Stewards"), []string{"ada@example.com", "bo@example.com"})

	// Renamed at the source: the team stays as it is, its members follow.
	e.must(tenant.UpdateGroup(entraID(11), map[string]any{"displayName": "OM_Finance and Tax"}))
	e.must(tenant.AddMember(entraID(11), entraID(3)))
	done := e.converges()
	e.equal("updates", done.names("update", "group"), []string(nil))
	e.equal("members afterwards", e.members("OM_Finance"), []string{"ada@example.com", "zoe@example.com"})
}

// certified returns the public key of a certificate.
func certified(t *testing.T, data []byte) *rsa.PublicKey {
	t.Helper()
	block, _ := pem.Decode(data)
	if block == nil {
		t.Fatal("no certificate")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	if !ok {
		t.Fatalf("the key is %T", certificate.PublicKey)
	}
	return key
}
