// `helm --set` as text: paths, lists and the typing rules of Helm 3 (helm.sh/helm pkg/strvals).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace rdmalab::cluster {

// One --set argument: "a.b.c=v", "a.b=1,c={x,y}", "list[0].k=v". `true`/`false`/`null` and whole numbers without a leading zero
// are typed, everything else is a string; `\` escapes `,` `.` `=` `{`; quotes around a value go, as a shell would take them. A
// null removes the key. Throws std::invalid_argument.
void applyHelmSet(nlohmann::json& values, const std::string& expression);
// --set-string: no typing.
void applyHelmSetString(nlohmann::json& values, const std::string& expression);

} // namespace rdmalab::cluster
