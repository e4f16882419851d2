// A SCIM 2.0 server that scimsync's authors did not write: SCIMMY behind its own
// express routers, with users and groups in memory. It is the independent target
// of cmd/scimsync/interop_test.go, and is for nothing else. The handlers do what
// SCIMMY's documentation shows and no more, so that every peculiarity a client
// meets here is SCIMMY's: paging, filters, PATCH and errors are all its own.
//
// Started with the bearer token in SCIMMY_TOKEN, it listens on a free loopback
// port, prints the base URL as its first line and ends when its standard input
// does. GET /requests, beside the SCIM endpoints, counts the requests by method
// and path.

import { randomUUID } from "node:crypto";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const token = process.env.SCIMMY_TOKEN;
if (!token) {
    console.error("SCIMMY_TOKEN is not set: it is the bearer token clients have to show");
    process.exit(2);
}

const notFound = (id) => new SCIMMY.Types.Error(404, null, `Resource ${id} not found`);

// store keeps the resources of one type in the order in which they were made.
// A unique attribute may be held by one resource at a time, in any letter case.
function store(unique) {
    const resources = new Map();
    return {
        ingress(resource, data) {
            const before = resource.id ? resources.get(resource.id) : undefined;
            if (resource.id && !before) throw notFound(resource.id);
            if (unique) {
                const wanted = data[unique].toLowerCase();
                for (const [id, other] of resources) {
                    if (id !== resource.id && other[unique].toLowerCase() === wanted) {
                        throw new SCIMMY.Types.Error(409, "uniqueness", `${unique} is taken`);
                    }
                }
            }
            const now = new Date().toISOString();
            const id = before?.id ?? randomUUID();
            // Through JSON: what is kept shares nothing with the request.
            const kept = JSON.parse(JSON.stringify(data));
            const after = { ...kept, id, meta: { created: before?.meta.created ?? now, lastModified: now } };
            resources.set(id, after);
            return structuredClone(after);
        },
        egress(resource) {
            if (resource.id) {
                if (!resources.has(resource.id)) throw notFound(resource.id);
                return structuredClone(resources.get(resource.id));
            }
            const all = structuredClone([...resources.values()]);
            return resource.filter ? resource.filter.match(all) : all;
        },
        degress(resource) {
            if (!resources.delete(resource.id)) throw notFound(resource.id);
        },
    };
}

SCIMMY.Resources.declare(SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser, false), store("userName"));
SCIMMY.Resources.declare(SCIMMY.Resources.Group, store());

const app = express();
const requests = {};

app.get("/requests", (_, res) => res.json(requests));
app.use("/scim", (req, _, next) => {
    const [, collection, ...rest] = req.path.split("/");
    const object = rest.map((part) => (part === ".search" ? "/.search" : "/{id}")).join("");
    const kind = `${req.method} /${collection}${object}`;
    requests[kind] = (requests[kind] ?? 0) + 1;
    next();
});
app.use("/scim", new SCIMMYRouters({
    type: "bearer",
    handler(request) {
        if (request.header("Authorization") !== `Bearer ${token}`) throw new Error("Authorization not accepted");
        return "client";
    },
}));

const server = app.listen(0, "127.0.0.1", (problem) => {
    if (problem) throw problem;
    console.log(`http://127.0.0.1:${server.address().port}/scim`);
});
process.stdin.resume().on("end", () => process.exit(0));
