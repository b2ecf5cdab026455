// SPDX-License-Identifier: Apache-2.0
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;

/** Streams answers: java HttpClientStream.java PORT COUNT. */
final class HttpClientStream {
  private final HttpClient client = HttpClient.newHttpClient();

  /**
   * The mistake: throws away the stream of an answer that it cannot use. The client reads ahead a
   * little and waits for somebody to take it; no garbage collection closes the connection.
   */
  private InputStream fetch(URI uri) throws IOException, InterruptedException {
    HttpRequest request = HttpRequest.newBuilder(uri).build();
    HttpResponse<InputStream> response = client.send(request, BodyHandlers.ofInputStream());
    if (response.statusCode() != 200) throw new IOException("status " + response.statusCode());
    return response.body();
  }

  public static void main(String[] arguments) throws Exception {
    URI uri = URI.create("http://127.0.0.1:" + arguments[0] + "/unavailable");
    HttpClientStream streams = new HttpClientStream();
    for (int failed = 0; failed < Integer.parseInt(arguments[1]); ) {
      try (InputStream body = streams.fetch(uri)) {
        body.readAllBytes();
      } catch (IOException error) {
        ++failed;
      }
    }
    System.gc();
    System.out.println("ready");
    while (System.in.read() >= 0) {}
  }
}
