#include "plugins/agent/ipam/label_selector.h"

#include <algorithm>
#include <stdexcept>

namespace rdmalab::plugin::ipam {

namespace {

bool fulfils(const Json& requirement, const Json& labels) {
    const auto op = textAt(requirement, {"operator"});
    const Json& label = labels.is_object() && labels.contains(textAt(requirement, {"key"}))
                            ? labels.at(textAt(requirement, {"key"}))
                            : at(labels, {"\n"}); // no label has such a name: null
    const Json& values = at(requirement, {"values"});
    const bool listed = std::find(values.begin(), values.end(), label) != values.end();
    if (op == "In")
        return !label.is_null() && listed;
    if (op == "NotIn") // a missing label is in no set
        return label.is_null() || !listed;
    if (op == "Exists")
        return !label.is_null();
    if (op == "DoesNotExist")
        return label.is_null();
    throw std::runtime_error("\"" + op + "\" is not a valid label selector operator");
}

} // namespace

bool selects(const Json& selector, const Json& labels) {
    const Json& wanted = at(selector, {"matchLabels"});
    for (auto label = wanted.begin(); label != wanted.end(); ++label)
        if (!labels.is_object() || !labels.contains(label.key()) || labels.at(label.key()) != label.value())
            return false;
    for (const Json& requirement : at(selector, {"matchExpressions"}))
        if (!fulfils(requirement, labels))
            return false;
    return true;
}

} // namespace rdmalab::plugin::ipam
