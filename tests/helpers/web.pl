# A web server for tests: perl web.pl PORT|PATH [TOKEN]
#
# Listens on a loopback port or a Unix socket, serves each connection in a process of its own, and says on stdout what
# it was asked. What it does is in the path of the URL.
use strict;
use warnings;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(SOCK_STREAM);

my ($where) = @ARGV;
my $listener = $where =~ m{/}
	? IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $where, Listen => 64)
	: IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $where, Listen => 64, ReuseAddr => 1);
die "cannot listen on $where: $!\n" unless $listener;
$SIG{CHLD} = 'IGNORE';
$| = 1;

sub answer {
	my ($to, $status, $body, @headers) = @_;
	print $to join("\r\n", "HTTP/1.1 $status", 'Content-Length: ' . length($body), 'X-Twice: one', 'x-twice:  two ',
		'Connection: keep-alive', @headers, '', $body);
}

while (1) {
	my $client = $listener->accept or next;
	next if fork;
	my $first = <$client> // exit;
	my ($method, $path) = $first =~ m{^([A-Z]+) (\S+) HTTP/};
	if (!$method) { 1 while defined(<$client>); exit } # of TLS, whatever its random bytes are, nothing is understood
	my (%headers, $body);
	while (defined(my $line = <$client>)) {
		last if $line =~ /^\r?\n$/;
		$headers{lc $1} = $2 if $line =~ /^([^:]+):\s*(.*?)\r?\n$/;
	}
	read $client, $body, $headers{'content-length'} if $headers{'content-length'};
	print "$method $path\n";
	if ($path eq '/json') { answer($client, '200 OK', '{"n":1,"list":[1,2.5,null],"none":null,"ok":true}') }
	elsif ($path eq '/health') { answer($client, $ENV{HEALTH} // '200 OK', $ENV{VERSION} // '') }
	elsif ($path eq '/text') { answer($client, '200 OK', 'no json') }
	elsif ($path =~ m{^/status/(\d+)}) { answer($client, "$1 So", 'why') }
	elsif ($path =~ m{^/big/(\d+)}) { answer($client, '200 OK', 'x' x $1) }
	elsif ($path =~ m{^/stream/(\d+)}) { print $client "HTTP/1.0 200 OK\r\n\r\n", 'x' x $1 }
	elsif ($path eq '/head') { print $client "HTTP/1.0 200 OK\r\nX: " . 'x' x 80000 . "\r\n\r\n" }
	elsif ($path eq '/away') { answer($client, '302 Found', '', 'Location: /json') }
	elsif ($path eq '/round') { answer($client, '302 Found', '', 'Location: /round') }
	elsif ($path eq '/file') { answer($client, '302 Found', '', 'Location: file:///etc/passwd') }
	elsif ($path eq '/never') { 1 while defined(<$client>); print "gone\n" }
	elsif ($path eq '/nothing') { }
	elsif ($path eq '/half') { print $client "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf" }
	elsif ($path eq '/echo') {
		answer($client, '200 OK', join "|", $method, map({ "$_=$headers{$_}" } sort keys %headers), $body // '');
	}
	else { answer($client, '404 Not Found', 'no such page') }
	exit;
}
