#include "plugins/kernel/iptables_rules.h"

#include <cerrno>
#include <map>
#include <sys/socket.h>
#include <utility>

namespace rdmalab::plugin {

namespace {

constexpr std::string_view kFullMask = "/0xffffffff";

bool endsWith(const std::string& text, std::string_view end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// iptables-save quotes as iptables-restore reads: double quotes, backslash before '"' and '\'.
std::vector<std::string> splitWords(std::string_view line) {
    std::vector<std::string> words;
    std::string word;
    bool quoted = false, any = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (c == '"') {
            quoted = !quoted;
            any = true;
        } else if (c == '\\' && quoted && i + 1 < line.size()) {
            word += line[++i];
        } else if (c == ' ' && !quoted) {
            if (any || !word.empty())
                words.push_back(std::exchange(word, ""));
            any = false;
        } else {
            word += c;
        }
    }
    if (any || !word.empty())
        words.push_back(word);
    return words;
}

std::string quotedWord(const std::string& word) {
    if (!word.empty() && word.find_first_of(" \"\\\t'") == std::string::npos)
        return word;
    std::string text = "\"";
    for (const char c : word) {
        if (c == '"' || c == '\\')
            text += '\\';
        text += c;
    }
    return text + '"';
}

const std::map<std::string_view, std::string_view> kShortForms{{"--append", "-A"},       {"--table", "-t"},
                                                               {"--jump", "-j"},         {"--match", "-m"},
                                                               {"--source", "-s"},       {"--destination", "-d"},
                                                               {"--in-interface", "-i"}, {"--out-interface", "-o"},
                                                               {"--protocol", "-p"},     {"--set-mark", "--set-xmark"}};

} // namespace

std::string iptablesTable(const IptablesRule& rule) {
    for (std::size_t i = 0; i + 1 < rule.size(); ++i)
        if (rule[i] == "-t" || rule[i] == "--table")
            return rule[i + 1];
    return "filter";
}

IptablesRule canonicalRule(const IptablesRule& rule, int family) {
    const std::string hostLength = family == AF_INET6 ? "/128" : "/32";
    IptablesRule canonical{"-t", iptablesTable(rule), "-A", ""};
    for (std::size_t i = 0; i < rule.size(); ++i) {
        const auto shorter = kShortForms.find(rule[i]);
        std::string word = shorter != kShortForms.end() ? std::string(shorter->second) : rule[i];
        const bool hasValue = i + 1 < rule.size();
        if (word == "-t") {
            ++i;
        } else if (word == "-A" && hasValue) {
            canonical[3] = rule[++i];
        } else if ((word == "--nfmask" || word == "--ctmask") && hasValue && rule[i + 1] == kFullMask.substr(1)) {
            ++i;
        } else if (word == "--set-xmark" || word == "--mark" || word == "-s" || word == "-d") {
            canonical.push_back(word);
            if (!hasValue)
                continue;
            std::string value = rule[++i];
            const std::string_view needless = word == "-s" || word == "-d" ? std::string_view(hostLength) : kFullMask;
            if (endsWith(value, needless))
                value.resize(value.size() - needless.size());
            canonical.push_back(value);
        } else {
            canonical.push_back(word);
        }
    }
    if (canonical[3].empty())
        throw KernelError("iptables rule without -A and a chain", EINVAL);
    return canonical;
}

std::vector<IptablesRule> parseIptablesSave(std::string_view output, int family) {
    std::vector<IptablesRule> rules;
    std::string table;
    while (!output.empty()) {
        const auto end = output.find('\n');
        const std::string_view line = output.substr(0, end);
        output.remove_prefix(end == std::string_view::npos ? output.size() : end + 1);
        if (!line.empty() && line.front() == '*') {
            table = line.substr(1);
        } else if (line.substr(0, 3) == "-A ") {
            IptablesRule rule{"-t", table};
            for (auto& word : splitWords(line))
                rule.push_back(std::move(word));
            rules.push_back(canonicalRule(rule, family));
        }
    }
    return rules;
}

std::string iptablesRestoreInput(const std::vector<IptablesRule>& rules) {
    std::map<std::string, std::string> tables;
    for (const IptablesRule& rule : rules) {
        std::string line;
        for (std::size_t i = 0; i < rule.size(); ++i) {
            if (rule[i] == "-t" || rule[i] == "--table") {
                ++i;
                continue;
            }
            line += (line.empty() ? "" : " ") + quotedWord(rule[i]);
        }
        tables[iptablesTable(rule)] += line + "\n";
    }
    std::string text;
    for (const auto& [table, lines] : tables)
        text += "*" + table + "\n" + lines + "COMMIT\n";
    return text;
}

} // namespace rdmalab::plugin
