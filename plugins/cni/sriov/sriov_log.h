// The plugin's log as k8snetworkplumbingwg/cni-log writes it: one line of key="value" pairs per message, to standard error or to
// the configured file.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace rdmalab::plugin {

struct CniRequest;

namespace sriov {

class Log {
public:
    using Fields = std::vector<std::pair<std::string, std::string>>;

    // `level`: panic, error, warning, info, debug; any other word means info. `file` empty: standard error.
    Log(const CniRequest& request, const std::string& level, const std::string& file);

    void debug(const std::string& message, const Fields& fields = {}) const { write(5, "debug", message, fields); }
    void warning(const std::string& message, const Fields& fields = {}) const { write(3, "warning", message, fields); }
    void error(const std::string& message, const Fields& fields = {}) const { write(2, "error", message, fields); }

private:
    void write(int level, const char* name, const std::string& message, const Fields& fields) const;

    const CniRequest& request_;
    int level_;
    std::string file_;
};

} // namespace sriov
} // namespace rdmalab::plugin
