// The checked tree, read leniently: what does not have its shape has been reported and looks as if it were not there.
#pragma once

#include "harness/scenario/shape.h"
#include "harness/scenario/yaml_tree.h"

#include <optional>
#include <string>
#include <vector>

namespace rdmalab::scenario {

class View {
public:
    View() = default;
    View(const YamlNode& node, const BadNodes& bad) : node_(&node), bad_(&bad), place_(node.place), keyPlace_(node.place) {}

    explicit operator bool() const noexcept { return node_ != nullptr; }
    // Neither the value nor anything in it is bad.
    bool sound() const;
    // Nothing when there is no such key, or its value is bad.
    View operator[](std::string_view key) const;
    bool has(std::string_view key) const { return node_ != nullptr && node_->find(key) != nullptr; }

    std::vector<View> items() const;   // of a list; without the bad ones
    std::vector<View> entries() const; // values of a map; their key() is set
    const std::string& key() const noexcept { return key_; }

    std::optional<std::string> text() const;
    std::string text(std::string_view otherwise) const { return text().value_or(std::string(otherwise)); }
    std::optional<int> integer() const;
    bool boolean(bool otherwise) const;
    std::vector<std::string> texts() const; // of a list, or of one scalar

    const YamlNode& node() const noexcept { return *node_; }
    const Place& place() const noexcept { return place_; }       // of the value
    const Place& keyPlace() const noexcept { return keyPlace_; } // of the key, where there is one

private:
    const YamlNode* node_ = nullptr;
    const BadNodes* bad_ = nullptr;
    Place place_, keyPlace_;
    std::string key_;
};

} // namespace rdmalab::scenario
