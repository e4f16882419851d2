// Package entratest is a Microsoft Entra tenant for tests and the sandbox: the
// read side of Microsoft Graph v1.0 and the token endpoint over real HTTP, as
// Microsoft documents them, over a World that is made of synthetic people.
//
// It is not a mock: it knows nothing of the client that talks to it, checks
// every token and every permission, and answers what Graph answers, including
// its habits. Properties come only when selected (accountEnabled is no default),
// delta tokens hold the selection and end after seven days, one object may come
// several times in a round, the members of a large group are spread over pages,
// and changes made while a round is read are told again in the next. What goes
// wrong on a bad day is scheduled with Inject.
//
// The world is changed through methods of Server, or with the same effect over
// HTTP below /sandbox/.
//
// Only tests and cmd's sandbox may import it.
package entratest
