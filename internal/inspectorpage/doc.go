// SPDX-License-Identifier: Apache-2.0

// Package inspectorpage tests the page of the extension impression_inspector in Chromium. It is a module of its own, so that only
// its tests depend on a browser's protocol.
package inspectorpage
