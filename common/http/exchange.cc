#include "common/http/exchange.h"

#include "common/text/json_writer.h"

namespace cf {

HttpResponse ErrorResponse(int status, const std::string& reason) {
  JsonWriter json;
  json.BeginObject();
  json.Member("error", reason);
  json.EndObject();
  return {.status = status, .body = json.Take() + "\n"};
}

const char* ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Unknown";
  }
}

}  // namespace cf
