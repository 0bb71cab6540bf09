// A mapping of a YAML file, read key by key: every complaint carries FILE:LINE:COLUMN, and a key nobody asked for is one.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::hardware {

bool isWord(const std::string& text); // letters, digits and - _ .

class YamlReader {
public:
    // HardwareError when `node` is no mapping, or has a key twice.
    YamlReader(YAML::Node node, std::string fileName);

    [[noreturn]] void fail(const YAML::Node& at, const std::string& message) const;

    std::optional<YamlReader> mapping(const std::string& key);
    YamlReader requiredMapping(const std::string& key);
    std::vector<YamlReader> mappings(const std::string& key); // a sequence of mappings; missing = empty
    std::string text(const std::string& key);
    std::string word(const std::string& key); // of letters, digits and - _ . only: it becomes a file name
    std::string textOr(const std::string& key, const std::string& fallback);
    std::vector<std::string> texts(const std::string& key); // a sequence of scalars; missing = empty
    std::uint64_t number(const std::string& key, std::uint64_t largest);
    std::uint64_t numberOr(const std::string& key, std::uint64_t fallback, std::uint64_t largest);
    std::uint64_t positive(const std::string& key, std::uint64_t largest); // at least 1
    std::uint64_t hex(const std::string& key, unsigned digits);            // written as lspci does, "15b3"
    std::uint64_t size(const std::string& key);                            // bytes: "32M", a power of two
    bool flag(const std::string& key);                                     // missing = false
    YAML::Node node(const std::string& key);                               // for complaints about it; may be undefined
    // Complains about the first key that was not asked for.
    void finish() const;

private:
    YAML::Node find(const std::string& key, bool required);

    YAML::Node node_;
    std::string fileName_;
    std::vector<std::string> asked_;
};

} // namespace rdmalab::hardware
