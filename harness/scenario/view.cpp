#include "harness/scenario/view.h"

#include <charconv>

namespace rdmalab::scenario {

View View::operator[](std::string_view key) const {
    const YamlEntry* entry = node_ == nullptr ? nullptr : node_->find(key);
    if (entry == nullptr || bad_->wrong.contains(entry->value.get()))
        return {};
    View view(*entry->value, *bad_);
    view.keyPlace_ = entry->place;
    view.key_ = entry->key;
    return view;
}

namespace {

bool soundBelow(const YamlNode& node, const BadNodes& bad) {
    if (bad.wrong.contains(&node) || bad.incomplete.contains(&node))
        return false;
    for (const YamlPtr& item : node.items) {
        if (!soundBelow(*item, bad))
            return false;
    }
    for (const YamlEntry& entry : node.entries) {
        if (!soundBelow(*entry.value, bad))
            return false;
    }
    return true;
}

} // namespace

bool View::sound() const {
    return node_ == nullptr || soundBelow(*node_, *bad_);
}

std::vector<View> View::items() const {
    std::vector<View> out;
    if (node_ == nullptr)
        return out;
    for (const YamlPtr& item : node_->items) {
        if (!bad_->wrong.contains(item.get()))
            out.emplace_back(*item, *bad_);
    }
    return out;
}

std::vector<View> View::entries() const {
    std::vector<View> out;
    if (node_ == nullptr)
        return out;
    for (const YamlEntry& entry : node_->entries) {
        if (bad_->wrong.contains(entry.value.get()))
            continue;
        View& view = out.emplace_back(*entry.value, *bad_);
        view.keyPlace_ = entry.place;
        view.key_ = entry.key;
    }
    return out;
}

std::optional<std::string> View::text() const {
    if (node_ == nullptr || !node_->isScalar())
        return std::nullopt;
    return node_->text;
}

std::optional<int> View::integer() const {
    if (node_ == nullptr || !node_->isScalar())
        return std::nullopt;
    int value = 0;
    const char* end = node_->text.data() + node_->text.size();
    const auto [rest, failed] = std::from_chars(node_->text.data(), end, value);
    if (failed != std::errc() || rest != end)
        return std::nullopt;
    return value;
}

bool View::boolean(bool otherwise) const {
    const auto word = text();
    return word ? *word == "true" : otherwise;
}

std::vector<std::string> View::texts() const {
    std::vector<std::string> out;
    if (const auto one = text())
        out.push_back(*one);
    for (const View& item : items()) {
        if (const auto each = item.text())
            out.push_back(*each);
    }
    return out;
}

} // namespace rdmalab::scenario
